"""tools/check_gpu.py, with the CPU in the place of a GPU."""

import argparse

import pytest
import torch
from detectron2.structures import Boxes, Instances

from boxmask_vid.apps.speed import gpu_check
from boxmask_vid.apps.speed.gpu_check import Agreement, agreement, check_model
from support.pretended_gpu import pretend
from support.small import CONFIG, KINDS, SMALLEST


def found(*boxes: list[float], scores: tuple = (0.9, 0.5), classes: tuple = (0, 1)) -> Instances:
    instances = Instances((50, 60), pred_boxes=Boxes(torch.tensor(boxes)))
    instances.scores, instances.pred_classes = torch.tensor(scores), torch.tensor(classes)
    return instances


def test_agreement():
    one = found([0.0, 0, 10, 10], [20, 20, 30, 30])
    assert agreement([one], [one]) == Agreement(1.0, 0.0, 0.0)
    swapped = found([20.0, 20, 30, 31], [0, 0, 10, 10], scores=(0.75, 0.9), classes=(1, 0))
    assert agreement([one], [swapped]) == Agreement(1.0, 1.0, 0.25)
    other_class = found([0.0, 0, 10, 10], [20, 20, 30, 30], classes=(0, 2))
    assert agreement([one], [other_class]).found == 0.5
    assert agreement([one], [one[:0]]) == Agreement(0.0, 0.0, 0.0)
    assert agreement([one[:0]], [one]).found == 0.0


def seconds(row: dict) -> list[float]:
    return [value for name, value in row.items() if "s /" in name]


@pytest.mark.parametrize("kind", ["faster_rcnn", "boxmask"])
def test_a_device_is_compared_with_the_cpu(kind):
    row = check_model(CONFIG, "cpu", (64, 96), *SMALLEST, *KINDS[kind])
    assert row["float32: found, boxes, scores"] == "100.0%, 0 px, 0"
    share = float(row["autocast: found, boxes, scores"].split("%")[0])
    assert share > 0
    assert len(seconds(row)) == 9
    assert min(seconds(row)) > 0


@pytest.mark.slow
def test_the_whole_table_of_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "CONFIG", "SyntheticVID/{}_thin_R_50_DC5.yaml")
    with pretend(monkeypatch):
        gpu_check.run(argparse.Namespace(size=(64, 96)))
    device, *lines = capsys.readouterr().out.splitlines()
    assert device.startswith("Pretended GPU, PyTorch ")
    names, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    assert names == ["", *gpu_check.MODELS]
    assert len(rows) == 1 + 2 * 9
    for name, *cells in rows:
        assert len(cells) == len(gpu_check.MODELS)
        if name == "float32: found, boxes, scores":
            assert all(cell.startswith("100.0%") for cell in cells)
        if "GiB" in name:
            assert cells == ["1.000"] * len(cells)
        if "s /" in name:
            assert min(map(float, cells)) > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(capsys):
    gpu_check.run(argparse.Namespace(size=(64, 96)))
    assert "no GPU here" in capsys.readouterr().out
