from pathlib import Path

import cv2
import pytest

from boxmask_vid.apps.speed.speed_plot import plot_stages, plot_sweep
from boxmask_vid.errors import InputError

KEY = "MODEL.VID.TEST.NUM_REFERENCES"


def report(seconds: float) -> dict:
    stages = {"backbone": 1.0, "rpn": seconds - 1}
    return {
        "stages": {"ours": {**stages, "troi": 0.5}, "paper": stages},
        "ours": {"seconds": seconds, "peak_gib": 1.5},
        "paper": {"seconds": 3 * seconds, "peak_gib": 3.0},
    }


def test_pictures(tmp_path: Path):
    plot_stages(report(2.0), tmp_path / "stages.png")
    reports = [{**report(n), "opts": ["SEED", "1", KEY, str(7 * n)]} for n in (1, 2)]
    plot_sweep(reports, KEY, tmp_path / "sweep.png")
    for name in ("stages.png", "sweep.png"):
        assert cv2.imread(str(tmp_path / name)).std() > 10


def test_a_sweep_needs_the_key_in_every_benchmark(tmp_path: Path):
    with pytest.raises(InputError, match="was run without SEED"):
        plot_sweep([{**report(2), "opts": []}], "SEED", tmp_path / "sweep.png")
