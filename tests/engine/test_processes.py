"""Trainings of several processes that are told to stop, or of which one is killed."""

import os
import re
import signal

import pytest
import torch

from support.trainings import ENDLESS, TORCHRUN, TWO_PROCESSES, Training

pytestmark = pytest.mark.slow

STARTS = {"num-gpus": {"flags": TWO_PROCESSES}, "torchrun": {"before": TORCHRUN}}
WITH_WORKERS = ("DATALOADER.NUM_WORKERS", 1)


def newest_iteration(training: Training) -> int:
    """Iteration of the checkpoint that ``last_checkpoint`` names."""
    name = (training.output / "last_checkpoint").read_text()
    return torch.load(training.output / name)["trainer"]["iteration"]


@pytest.mark.parametrize(("start", "rank"), [("num-gpus", 1), ("num-gpus", 0), ("torchrun", 1)])
def test_a_killed_process_ends_all_with_a_sentence(synthetic_root, tmp_path, start, rank):
    opts = (*ENDLESS, *WITH_WORKERS)
    training = Training(synthetic_root, tmp_path / "out", *opts, **STARTS[start])
    training.wait_for_checkpoint()
    os.kill(training.pid_of_rank(rank), signal.SIGKILL)
    assert training.end() == 1
    sentences = re.findall(r"error: Process (\d) of 2 .* --resume\.", training.screen)
    assert sentences == [str(rank)]
    assert "Traceback" not in training.screen
    assert newest_iteration(training) > 0


@pytest.mark.parametrize(
    ("start", "number"),
    [("num-gpus", "SIGTERM"), ("num-gpus", "SIGINT"), ("torchrun", "SIGTERM")],
)
def test_processes_stop_together_with_one_checkpoint(synthetic_root, tmp_path, start, number):
    opts = (*ENDLESS, *WITH_WORKERS, "SOLVER.CHECKPOINT_PERIOD", 100_000)
    training = Training(synthetic_root, tmp_path / "out", *opts, **STARTS[start])
    training.wait_for_metrics()
    training.signal_group(signal.Signals[number])
    assert training.end() == (1 if start == "torchrun" else 130)
    (checkpoint,) = training.output.glob("*.pth")
    iteration = newest_iteration(training)
    assert checkpoint.name == f"model_{iteration:07d}.pth"
    assert f"Stopped after iteration {iteration}; continue with --resume" in training.log
    assert not list(training.output.glob("*.unfinished"))
    if start != "torchrun":  # which prints tracebacks of its own
        assert "Traceback" not in training.screen
