"""What a training refuses before it writes anything, and folders that two trainings want."""

import functools
import multiprocessing
import os
import signal

import pytest

from boxmask_vid.engine.checks import (
    LOCK,
    check_expected_results,
    check_features,
    check_model,
    check_numbers,
    claim_folder,
)
from boxmask_vid.errors import InputError
from support.small import small_cfg

IMPOSSIBLE = {
    "SOLVER.MAX_ITER": 0,
    "SOLVER.CHECKPOINT_PERIOD": 0,
    "SOLVER.IMS_PER_BATCH": 0,
    "SOLVER.BASE_LR": -0.01,
    "SOLVER.MOMENTUM": float("nan"),
    "SOLVER.WARMUP_ITERS": -1,
    "SOLVER.WARMUP_FACTOR": -0.1,
    "SOLVER.GAMMA": -1.0,
    "SEED": 2**40,
    "INPUT.MIN_SIZE_TRAIN": (),
    "TEST.EVAL_PERIOD": -1,
    "SOLVER.WEIGHT_DECAY": None,
    "TEST.PATIENCE": -1,
    "TEST.LOSS_PERIOD": -2,
    "DATALOADER.NUM_WORKERS": -1,
    "SOLVER.STEPS": (5, 3),
}


@pytest.mark.parametrize("key", IMPOSSIBLE)
def test_impossible_numbers_are_named(key):
    cfg = small_cfg()
    check_numbers(cfg)
    *groups, name = key.split(".")
    functools.reduce(getattr, groups, cfg)[name] = IMPOSSIBLE[key]
    with pytest.raises(InputError, match=rf"^{key} is .*: write "):
        check_numbers(cfg)


@pytest.mark.parametrize("key", ["TEST.AUG.ENABLED", "MODEL.LOAD_PROPOSALS"])
def test_what_only_detectron2_has_is_refused(key):
    check_features(small_cfg())
    with pytest.raises(InputError, match=rf"^{key} is True, .* set it to False"):
        check_features(small_cfg("selsa", key, True))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("INPUT.FORMAT", "XYZ", "use BGR or RGB"),
        ("MODEL.RESNETS.DEPTH", 51, "use 18 or 34 or 50 or 101 or 152"),
        ("MODEL.RPN.BBOX_REG_LOSS_TYPE", "l1", "use smooth_l1"),
        ("MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "l2", "use smooth_l1"),
        ("MODEL.ROI_BOX_HEAD.POOLER_TYPE", "RoIAlign", "use ROIAlignV2"),
        ("MODEL.PIXEL_MEAN", [1.0], "write three numbers"),
        ("MODEL.PIXEL_STD", [0.0, 1.0, 1.0], "write three numbers above 0"),
        ("MODEL.ANCHOR_GENERATOR.SIZES", [[]], "write a list of lists"),
        ("MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", [], "write a list of lists"),
        ("MODEL.RPN.IOU_LABELS", [0], "write 3 labels"),
        ("MODEL.ROI_HEADS.IOU_LABELS", [0, 1, 1], "write 2 labels"),
        ("MODEL.ROI_HEADS.NUM_CLASSES", 0, "write at least 1"),
    ],
)
def test_values_that_make_no_model_are_named(key, value, sentence):
    check_model(small_cfg())
    with pytest.raises(InputError, match=rf"^{key} is .*{sentence}"):
        check_model(small_cfg("boxmask", key, value))


def test_momentum_is_below_one():
    with pytest.raises(InputError, match=r"SOLVER\.MOMENTUM is 2\.0: write a number below 1"):
        check_numbers(small_cfg("selsa", "SOLVER.MOMENTUM", 2.0))


@pytest.mark.parametrize(("key", "value"), [("BEST_METRIC", "bbox/AP50"), ("PATIENCE", 2)])
def test_what_needs_a_test_set(key, value):
    with pytest.raises(InputError, match=rf"TEST.{key} is .* name a test set in DATASETS.TEST"):
        check_numbers(small_cfg("selsa", f"TEST.{key}", value, "DATASETS.TEST", "()"))


@pytest.mark.parametrize("row", ["['bbox', 'AP50']", "'bbox'", "['bbox', 'AP50', 'x', 1]"])
def test_expected_results_that_cannot_be_compared(row):
    check_expected_results(
        small_cfg("selsa", "TEST.EXPECTED_RESULTS", "[('bbox', 'AP50', 70.0, 1)]")
    )
    with pytest.raises(InputError, match=r"TEST\.EXPECTED_RESULTS has .*bbox.*: write lists of a"):
        check_expected_results(small_cfg("selsa", "TEST.EXPECTED_RESULTS", f"[{row}]"))


def hold(folder, connection) -> None:
    claim_folder(folder)
    claim_folder(folder)  # once more by the same process
    if os.fork() == 0:  # a loader worker, which may live longer
        signal.pause()
    connection.send(os.getpid())
    signal.pause()


def test_a_folder_is_of_one_training_until_it_ends(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=hold, args=(tmp_path, theirs))
    process.start()
    pid = ours.recv()
    sentence = rf"Another training \(process {pid} on \S+\) writes into .*another OUTPUT_DIR"
    with pytest.raises(InputError, match=sentence):
        claim_folder(tmp_path)
    (worker,) = _children(pid)
    os.kill(pid, signal.SIGKILL)
    process.join()
    claim_folder(tmp_path)
    os.kill(worker, signal.SIGKILL)
    assert f"process {os.getpid()} " in (tmp_path / LOCK).read_text()


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]
