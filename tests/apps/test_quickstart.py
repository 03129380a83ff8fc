"""The demo, with everything small."""

import json
import os

import cv2
import pytest

from boxmask_vid.apps.quickstart import Quickstart
from boxmask_vid.errors import InputError
from support.paths import REPOSITORY
from support.small import SMALLEST

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


def quickstart(output, seed: int = 2) -> Quickstart:
    training = ["SOLVER.MAX_ITER", 4, "SOLVER.CHECKPOINT_PERIOD", 2, "TEST.EVAL_PERIOD", 2]
    counts = {"videos": 6, "frames": 3, "val_videos": 3, "val_frames": 4}
    options = [*SMALLEST, "SOLVER.IMS_PER_BATCH", 2, *training]
    return Quickstart(REPOSITORY, output, seed, **counts, options=options)


def test_everything_that_is_listed_is_there(output, capfd):
    quickstart(output).run()
    screen, errors = capfd.readouterr()
    assert "to continue from" not in screen + errors  # nobody has asked for that
    listed = [line.strip() for line in screen.split("Look at:\n")[1].splitlines()]
    assert {os.path.splitext(path)[1] for path in listed} == {".png", ".mp4", ".json", ".pth"}
    for path in listed:
        assert os.path.getsize(path) > 0
    pictures = [path for path in listed if path.endswith(".png")]
    assert len(pictures) == 3
    assert all(min(cv2.imread(path).shape[:2]) > 200 for path in pictures)
    assert len([path for path in listed if path.endswith(".mp4")]) == 3
    metrics = json.loads((output / "with_references/evaluation.json").read_text())["bbox"]
    row = next(line for line in screen.splitlines() if line.startswith("AP50 "))
    assert float(row.split()[1]) == pytest.approx(metrics["AP50"], abs=0.06)
    assert "AP50-striped_disc" in screen


def test_another_seed_does_not_mix_with_what_is_there(output):
    with pytest.raises(InputError, match=r"has videos of seed 2, not 3: remove it"):
        quickstart(output, seed=3).run()


def test_a_command_that_fails_stops_the_demo(output):
    broken = quickstart(output)
    broken.options = [*broken.options, "MODEL.VID.TORI", 1]
    with pytest.raises(InputError, match=r"'training' failed \(exit code 1\)"):
        broken.run()
