"""Time, memory and arithmetic of models, video decoding, data loading and scorers."""
