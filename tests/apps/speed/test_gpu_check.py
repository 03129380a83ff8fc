"""tools/check_gpu.py, with the CPU in the place of a GPU."""

import argparse
import itertools

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances

from boxmask_vid.apps.speed import gpu_check
from boxmask_vid.apps.speed.gpu_check import Agreement, agreement, check_model
from support.pretended_gpu import pretend, to_gpu
from support.small import CONFIG, KINDS, SMALLEST, small_cfg


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
    """On the pretended GPU, of small models; memory is what its counters say."""
    build, on_gpu = gpu_check.build_model, itertools.cycle([False, True])
    cuda = {
        "is_available": lambda: True,
        "get_device_name": lambda: "pretended GPU",
        "synchronize": lambda device: None,
        "reset_peak_memory_stats": lambda: None,
        "max_memory_allocated": lambda: 3 * 2**29,
    }
    for name, function in cuda.items():
        monkeypatch.setattr(torch.cuda, name, function)
    monkeypatch.setattr(
        gpu_check, "get_config_file", lambda name: name.split("/")[1].split("_R_")[0]
    )
    monkeypatch.setattr(gpu_check, "build_cfg", config_of)
    monkeypatch.setattr(
        gpu_check, "build_model", lambda cfg: to_gpu(build(cfg)) if next(on_gpu) else build(cfg)
    )
    with pretend(monkeypatch):
        gpu_check.run(argparse.Namespace(size=(64, 96)))
    device, head, _, *lines = capsys.readouterr().out.splitlines()
    assert device.startswith("pretended GPU, PyTorch ")
    assert [name.strip() for name in head.split("|")[2:-1]] == list(gpu_check.MODELS)
    table = {
        row[1].strip(): [cell.strip() for cell in row[2:-1]]
        for row in (x.split("|") for x in lines)
    }
    assert len(table) == 1 + 2 * 9
    assert all(cell.startswith("100.0%") for cell in table["float32: found, boxes, scores"])
    for name, cells in table.items():
        assert len(cells) == len(gpu_check.MODELS)
        if "GiB" in name:
            assert cells == ["1.500"] * 4
        if "s /" in name:
            assert min(map(float, cells)) > 0


def config_of(name: str, opts: list) -> CfgNode:
    kind = {"selsa_troi": "troi", "boxmask_selsa_troi": "boxmask"}.get(name, name)
    return small_cfg(kind, *opts[:-2])  # all but the device


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(capsys):
    gpu_check.run(argparse.Namespace(size=(64, 96)))
    assert "no GPU here" in capsys.readouterr().out
