"""Graphs run by TorchScript and onnxruntime beside the model that they were made of."""

import functools
import json
import subprocess
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from boxmask_vid.apps.dataset_tools.synthetic import Scene, render_video
from boxmask_vid.apps.export.agreement import Case, compare, difference
from boxmask_vid.apps.export.command import argument_parser, export_model, run
from boxmask_vid.apps.export.formats import FORMATS
from boxmask_vid.apps.export.graphs import build_graphs
from boxmask_vid.errors import InputError
from support.paths import PROJECT
from support.small import CONFIG, SMALLEST, small_cfg, small_model

KINDS = ("faster_rcnn", "selsa", "troi", "boxmask")
SIZES = (64, 96), (75, 109)  # the second one is padded; neither is the one that is traced
TOLERANCE = 1e-3


def video(size: tuple[int, int]) -> list[torch.Tensor]:
    frames = [cv2.resize(frame, size[::-1]) for frame, _ in render_video(Scene(6, 0.5), (0, 1))]
    return [torch.from_numpy(frame.transpose(2, 0, 1).copy()) for frame in frames]


def detections(model: torch.nn.Module, image: torch.Tensor, references: list) -> Case:
    sample = {"image": image, "reference_images": references}
    with torch.no_grad():
        (found,) = model.inference([sample], do_postprocess=False)
    return Case(image, references, found)


@functools.cache
def exported(kind: str) -> tuple[torch.nn.Module, dict[str, dict]]:
    """A model, and its graphs as functions for each format."""
    model = small_model(kind).eval()
    graphs = build_graphs(small_cfg(kind), model)
    return model, {
        name: {graph.name: form.load(form.save(graph)) for graph in graphs}
        for name, form in FORMATS.items()
    }


@pytest.mark.parametrize(
    "kind", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[:-1]), KINDS[-1]]
)
def test_graphs_find_what_the_model_finds(kind):
    model, formats = exported(kind)
    cases = []
    for size in SIZES:
        *frames, key = video(size)
        counts = (0,) if kind == "faster_rcnn" else (0, 1, 2, 5)
        cases += [detections(model, key, frames[:count]) for count in counts]
    assert all(len(case.found) > 5 for case in cases)
    for name, functions in formats.items():
        assert ("encode" in functions) == (kind != "faster_rcnn")
        for case in cases:
            found = difference(functions, case)
            assert found.pixels < TOLERANCE, (name, case.image.shape, len(case.references))
            assert found.score < TOLERANCE


def test_references_count():
    """Otherwise agreement would not show that the memory is used."""
    model, formats = exported("boxmask")
    *frames, key = video(SIZES[0])
    alone = detections(model, key, []).found
    assert difference(formats["onnx"], Case(key, frames, alone)).pixels > 10 * TOLERANCE


def test_a_stream_needs_no_second_look_at_its_frames():
    """The outputs own_* of detect are those of encode."""
    functions = exported("boxmask")[1]["onnx"]
    *frames, key = video(SIZES[0])
    memory = functions["encode"]([frames[0]])
    own = functions["detect"]([key, *memory])[3:]
    for a, b in zip(own, functions["encode"]([key]), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.needs_shared
@pytest.mark.parametrize("kind", ["selsa", "boxmask"])
def test_graphs_find_what_the_model_finds_in_real_frames(kind, shared):
    folder = shared / "data/mini_vid/frames/davis16_dog"
    images = [cv2.imread(str(path)) for path in sorted(folder.iterdir())[:3]]
    *frames, key = (torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images)
    model, formats = exported(kind)
    cases = [detections(model, key, frames[:count]) for count in (1, 2)]
    for functions in formats.values():
        for case in cases:
            assert len(case.found) > 5
            assert difference(functions, case).pixels < TOLERANCE


def test_what_is_compared():
    case = detections(small_model("selsa").eval(), video(SIZES[0])[0], [])
    found = case.found
    boxes, scores, classes = found.pred_boxes.tensor, found.scores, found.pred_classes
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))
    same = compare(found, boxes[order], scores[order], classes[order])
    assert (same.pixels, same.score) == (0, 0)
    assert compare(found, boxes + 0.5, scores, classes).pixels == pytest.approx(0.5, abs=1e-4)
    assert compare(found, boxes, scores - 0.25, classes).score == pytest.approx(0.25)
    assert compare(found, boxes[1:], scores[1:], classes[1:]).pixels == np.inf
    assert compare(found, boxes, scores, (classes + 1) % 4).pixels > 1
    assert compare(found, boxes[:1].expand_as(boxes), scores, classes).pixels > 1


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("weights")
    for kind in ("faster_rcnn", "boxmask"):
        torch.save({"model": small_model(kind).state_dict()}, folder / f"{kind}.pth")
    return {path.stem: str(path) for path in folder.iterdir()}


def command(output, weights: str, *options: str, opts: tuple = ()) -> list[str]:
    every = ["--config-file", CONFIG, "--output", str(output), *options]
    return [*every, "--opts", *SMALLEST, "MODEL.WEIGHTS", weights, *opts]


@pytest.mark.slow
def test_the_command_line(tmp_path, weights, synthetic_root):
    frames = synthetic_root / "synthetic_vid/Data/VID/val/synthetic_val_00000"
    output = tmp_path / "exported"
    options = command(output, weights["boxmask"], "--check-input", str(frames))
    done = subprocess.run(
        [sys.executable, PROJECT / "tools/export_model.py", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "onnx: largest difference from the model" in done.stdout
    assert "with 0 to 3 references" in done.stdout
    files = {"encode.ts", "detect.ts", "encode.onnx", "detect.onnx"}
    assert {path.name for path in output.iterdir()} == files | {"model.json"}
    described = json.loads((output / "model.json").read_text())
    assert {name for names in described["files"].values() for name in names} == files
    assert described["image"]["channels"] == "RGB"
    for name, graph in described["graphs"].items():
        written = onnx.load(output / f"{name}.onnx")
        assert written.opset_import[0].version == 16
        session = onnxruntime.InferenceSession(output / f"{name}.onnx")
        for ports, real in (
            (graph["inputs"], session.get_inputs()),
            (graph["outputs"], session.get_outputs()),
        ):
            assert [port["name"] for port in ports] == [port.name for port in real]
            assert [port["shape"][0] for port in ports] == [port.shape[0] for port in real]
        assert torch.jit.load(output / f"{name}.ts") is not None


def test_a_wrong_opset_is_found_out_and_nothing_is_written(tmp_path, weights, monkeypatch):
    monkeypatch.setattr("boxmask_vid.apps.export.formats.OPSET", 15)
    single = (
        *("MODEL.META_ARCHITECTURE", "GeneralizedRCNN", "MODEL.VID.TROI.ENABLED", "False"),
        *("MODEL.ROI_BOX_HEAD.NAME", "FastRCNNConvFCHead", "MODEL.BOXMASK.ENABLED", "False"),
    )
    args = command(
        tmp_path / "out", weights["faster_rcnn"], "--format", "torchscript", "onnx", opts=single
    )
    with pytest.raises(InputError, match="onnx graphs do not find what the model finds"):
        run(argument_parser().parse_args(args))
    assert not (tmp_path / "out").exists()


REFUSED = {
    "masks": ((), ("MODEL.BOXMASK.PREDICT_MASKS", "True"), "leave MODEL.BOXMASK.PREDICT_MASKS"),
    "no weights": ((), ("MODEL.WEIGHTS", ""), "set MODEL.WEIGHTS"),
    "nothing found": ((), ("MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.99"), "finds nothing"),
    "no input": (("--check-input", "no/such/file"), (), "no/such/file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_get_a_sentence(case, tmp_path, weights):
    options, opts, sentence = REFUSED[case]
    args = command(tmp_path / "out", weights["boxmask"], *options, opts=opts)
    with pytest.raises((InputError, FileNotFoundError), match=sentence):
        run(argument_parser().parse_args(args))
    assert not (tmp_path / "out").exists()


def test_a_frozen_config_stays_as_it_is(tmp_path):
    cfg = small_cfg("selsa")
    cfg.MODEL.DEVICE = "cuda:0"  # as on a machine with a GPU
    cfg.freeze()
    with pytest.raises(InputError, match="no weights"):
        export_model(cfg, tmp_path, formats=["torchscript"])
    assert cfg.MODEL.DEVICE == "cuda:0"


def test_frames_of_different_sizes_get_a_sentence(tmp_path, weights):
    for name, size in (("a", (96, 128, 3)), ("b", (128, 96, 3))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros(size, np.uint8))
    args = command(tmp_path / "out", weights["boxmask"], "--check-input", str(tmp_path))
    with pytest.raises(InputError, match="different sizes"):
        run(argument_parser().parse_args(args))


def test_a_missing_package_gets_a_sentence(tmp_path, weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    args = command(tmp_path / "out", weights["boxmask"])
    with pytest.raises(InputError, match=r"pip install -c constraints\.txt onnxruntime"):
        run(argument_parser().parse_args(args))


def test_an_output_that_cannot_be_written_gets_a_sentence(tmp_path, weights):
    (tmp_path / "out").write_text("a file")
    args = command(tmp_path / "out", weights["boxmask"], "--format", "torchscript")
    with pytest.raises(InputError, match="cannot be written"):
        run(argument_parser().parse_args(args))
