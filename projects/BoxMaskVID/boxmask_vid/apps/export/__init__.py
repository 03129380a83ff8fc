"""Models as TorchScript and ONNX."""
