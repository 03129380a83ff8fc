import json
import subprocess
import sys

import pytest
import torch

from boxmask_vid.apps.speed.cost import CostCounter
from boxmask_vid.apps.speed.model_speed import ModelSpeedOptions, compare_models
from boxmask_vid.apps.speed.stopwatch import Stopwatch
from boxmask_vid.errors import InputError
from boxmask_vid.modeling.fast import linear
from boxmask_vid.precision import HALVES, supports_precision
from support.paths import PROJECT
from support.small import CONFIG, SMALLEST, frame, small_model


def benchmark(tmp_path, *flags: str) -> dict:
    output = tmp_path / "benchmark.json"
    command = [sys.executable, str(PROJECT / "tools/benchmark.py"), "--config-file", CONFIG]
    command += ["--output", str(output), "--frames", "2", "--warm-up", "1", "--threads", "1"]
    done = subprocess.run(
        [*command, "--size", "64", "96", *flags, *SMALLEST],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(output.read_text())
    assert f"{output}: written" in done.stdout
    for key in ("speedup", "memory_ratio", "vs_single_frame", "first_frame_speedup"):
        assert f"{key}:" in done.stdout
    return report


@pytest.mark.slow
def test_frames(tmp_path):
    report = benchmark(tmp_path)
    ours, paper, single = (report[name] for name in ("ours", "paper", "single_frame"))
    assert report["speedup"] == paper["seconds"] / ours["seconds"]
    assert report["memory_ratio"] == ours["peak_gib"] / paper["peak_gib"]
    assert report["vs_single_frame"] == ours["seconds"] / single["seconds"]
    assert report["first_frame_speedup"] == paper["first_seconds"] / ours["first_seconds"]
    assert set(report["stages"]) == {"ours", "paper", "single_frame"}
    assert {"backbone", "rpn", "roi_align", "troi", "box_head"} <= set(report["stages"]["ours"])
    assert ours["proposals"] == paper["proposals"] == single["proposals"] == 10
    assert single["tflops"] < ours["tflops"] < paper["tflops"]
    assert min(side["gib_moved"] for side in (ours, paper, single)) > 0


@pytest.mark.slow
def test_training_steps_without_the_formulation_of_the_papers(tmp_path):
    report = benchmark(tmp_path, "--training", "--no-paper", "--without", "FoldedNormConv2d")
    assert report["speedup"] is report["memory_ratio"] is report["first_frame_speedup"] is None
    assert report["vs_single_frame"] > 0
    assert "mask_head" in report["stages"]["ours"]
    assert report["FoldedNormConv2d"]["peak_gib"] > 0


def test_cost_of_a_product_and_of_a_weighted_gather():
    table, index = torch.rand(10, 4), torch.tensor([1, 2, 2, 7, 9])
    with CostCounter() as cost:
        torch.rand(3, 5) @ torch.rand(5, 2)
    assert cost.flops == 2 * 3 * 5 * 2
    with torch.inference_mode(), CostCounter() as cost:
        torch.nn.functional.embedding_bag(
            index, table, torch.tensor([0, 3]), mode="sum", per_sample_weights=torch.rand(5)
        )
    assert cost.flops == 2 * 5 * 4
    rows, sums = 5 * 4 * 4, 2 * 4 * 4
    assert rows + sums <= cost.bytes < rows + sums + 300  # and indices, weights, offsets


@pytest.mark.parametrize("prefers_onednn", [False, True])
def test_cost_of_a_product_does_not_depend_on_the_library(monkeypatch, prefers_onednn: bool):
    monkeypatch.setattr(linear, "prefers_onednn", lambda: prefers_onednn)
    rows, weight = torch.rand(2, 100, 512), torch.rand(600, 512)
    with torch.inference_mode(), CostCounter() as cost:
        linear.linear(rows, weight, torch.rand(600))
    assert cost.flops == 2 * 200 * 512 * 600


@pytest.mark.parametrize("kind", ["faster_rcnn", "selsa", "boxmask"])
def test_stages_add_up(kind: str):
    model = small_model(kind).eval()
    expected = model([frame(0, references=2)])[0]["instances"]
    found = []
    lap = Stopwatch(model).lap(lambda: found.extend(model([frame(0, references=2)])))
    assert torch.equal(found[0]["instances"].scores, expected.scores)
    assert lap.pop("total") == pytest.approx(sum(lap.values()))
    assert all(seconds >= 0 for seconds in lap.values())
    assert ("troi" in lap) == (kind == "boxmask")


@pytest.mark.slow
def test_other_precisions_other_detectors_and_whole_videos(tmp_path):
    halves = [name for name in HALVES if supports_precision(name, "cpu")]
    precision = ["--precision", *halves] if halves else []
    other = "ssdlite320_mobilenet_v3_large"
    flags = "--no-paper", *precision, "--beside", other, "--video", "0.2"
    report = benchmark(tmp_path, *flags, "TEST.DETECTIONS_PER_IMAGE", "3")
    names = ["ours", "single_frame", *halves, other]
    assert list(report["stages"]) == names
    assert all(report[name]["seconds"] > 0 and report[name]["tflops"] > 0 for name in names)
    assert list(report["video"]) == ["ours", other]
    for video in report["video"].values():
        assert video["frames_per_second"] > 0
        assert video["real_time"] == pytest.approx(0.2 / video["seconds"])


def test_an_unknown_detector_or_precision_gets_a_sentence():
    options = ModelSpeedOptions(CONFIG, opts=["MODEL.DEVICE", "cpu"], beside=["ssdlite"])
    with pytest.raises(InputError, match=r"no detector 'ssdlite': use one of fasterrcnn_mobilenet"):
        compare_models(options)
    unsupported = [name for name in HALVES if not supports_precision(name, "cpu")]
    for name in unsupported:
        options = ModelSpeedOptions(CONFIG, opts=["MODEL.DEVICE", "cpu"], precision=[name])
        with pytest.raises(InputError, match=f"'{name}', in which this machine's cpu does not"):
            compare_models(options)
