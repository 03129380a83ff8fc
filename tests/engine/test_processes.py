"""Trainings of several processes that are told to stop, or of which one is killed."""

import os
import re
import signal
import sys

import pytest
import torch

from support.machines import with_shared_memory_of
from support.trainings import ENDLESS, TORCHRUN, TWO_PROCESSES, Training, descendants

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
    os.kill(training.pids_of_ranks()[rank], signal.SIGKILL)
    assert training.end() == 1
    sentences = re.findall(r"error: Process (\d) of 2 .* --resume\.", training.screen)
    assert sentences == [str(rank)]
    own_screen = training.screen.partition("in _run_module_as_main")[0]  # torchrun's follows
    assert own_screen.count("Traceback") == (start == "torchrun")
    assert newest_iteration(training) > 0


def test_processes_whose_starter_is_killed_stop_with_a_checkpoint(synthetic_root, tmp_path):
    opts = (*ENDLESS, *WITH_WORKERS, "SOLVER.CHECKPOINT_PERIOD", 100_000)
    training = Training(synthetic_root, tmp_path / "out", *opts, flags=TWO_PROCESSES)
    training.wait_for_metrics()
    family = descendants(training.process.pid)
    training.process.kill()
    training.wait_for_end_of(family)
    assert f"Stopped after iteration {newest_iteration(training)}" in training.log


@pytest.mark.parametrize(
    ("start", "number"),
    [
        *[("num-gpus", "SIGTERM"), ("num-gpus", "SIGINT"), ("num-gpus", "SIGHUP")],
        *[("torchrun", "SIGTERM"), ("torchrun", "SIGHUP")],
    ],
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


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_signal_to_one_process_and_its_workers_leaves_a_checkpoint(
    synthetic_root, tmp_path, number
):
    opts = (*ENDLESS, "DATALOADER.NUM_WORKERS", 2, "SOLVER.CHECKPOINT_PERIOD", 100_000)
    training = Training(synthetic_root, tmp_path / "out", *opts)
    training.wait_for_metrics()
    training.signal_group(signal.Signals[number])
    assert training.end() == 130
    assert f"Stopped after iteration {newest_iteration(training)}" in training.log
    assert "Traceback" not in training.screen
    assert not list(training.output.glob("*.unfinished"))


@pytest.mark.parametrize("flags", [(), TWO_PROCESSES])
def test_a_training_under_nohup_goes_on_when_its_terminal_is_closed(
    synthetic_root, tmp_path, flags
):
    opts = (*ENDLESS, *WITH_WORKERS, "SOLVER.CHECKPOINT_PERIOD", 1)
    before = ("nohup", sys.executable)
    training = Training(synthetic_root, tmp_path / "out", *opts, flags=flags, before=before)
    training.wait_for_checkpoint()
    training.signal_group(signal.SIGHUP)
    iteration = newest_iteration(training)
    training.wait_until(lambda: newest_iteration(training) > iteration + 3)
    training.signal_group(signal.SIGTERM)
    assert training.end() == 130


@pytest.mark.parametrize("flags", [(), TWO_PROCESSES])
def test_a_closed_terminal_leaves_a_checkpoint(synthetic_root, tmp_path, flags):
    opts = (*ENDLESS, *WITH_WORKERS, "SOLVER.CHECKPOINT_PERIOD", 100_000)
    terminal = "import pty, sys; pty.spawn(sys.argv[1:])"
    before = (sys.executable, "-c", terminal, sys.executable)
    training = Training(synthetic_root, tmp_path / "out", *opts, flags=flags, before=before)
    training.wait_for_metrics()
    family = descendants(training.process.pid)
    training.process.kill()
    training.wait_for_end_of(family)
    assert f"Stopped after iteration {newest_iteration(training)}" in training.log


def test_sigterm_in_an_evaluation_leaves_the_checkpoint_before_it(synthetic_root, tmp_path):
    evaluation = ("DATASETS.TEST", "('synthetic_vid_val',)", "TEST.EVAL_PERIOD", 1)
    opts = (*ENDLESS, *WITH_WORKERS, "SOLVER.CHECKPOINT_PERIOD", 100_000, *evaluation)
    training = Training(synthetic_root, tmp_path / "out", *opts, flags=TWO_PROCESSES)
    training.wait_until(lambda: "Start inference on" in training.log)
    os.kill(training.pids_of_ranks()[1], signal.SIGTERM)  # the others stop, too
    assert training.end() == 130
    iteration = newest_iteration(training)
    assert [path.name for path in training.output.glob("*.pth")] == [f"model_{iteration:07d}.pth"]


def test_a_killed_loader_worker_is_one_sentence(synthetic_root, tmp_path):
    opts = (*ENDLESS, "DATALOADER.NUM_WORKERS", 2)
    training = Training(synthetic_root, tmp_path / "out", *opts)
    training.wait_for_checkpoint()
    # PyTorch tells it in the middle of a step
    os.kill(descendants(training.process.pid)[-1], signal.SIGKILL)
    assert training.end() == 1
    last = training.screen.strip().splitlines()[-1]
    assert re.match(r"error: DataLoader worker \(pid \d+\) is killed by .*NUM_WORKERS", last)
    assert "Traceback" not in training.screen + training.log
    assert newest_iteration(training) > 0


def test_a_small_shared_memory_is_enough(synthetic_root, tmp_path):
    opts = ("SOLVER.MAX_ITER", 4, "DATALOADER.NUM_WORKERS", 2)
    before = (*with_shared_memory_of("256k"), sys.executable)
    training = Training(synthetic_root, tmp_path / "out", *opts, before=before)
    assert training.end(seconds=120) == 0
    assert re.search(r"/dev/shm has 0\.\d MiB free.* larger --shm-size", training.screen)
    assert "Evaluation results for synthetic_vid_val" in training.log
