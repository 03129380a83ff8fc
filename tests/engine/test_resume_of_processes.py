"""A training of two processes that is killed, told to stop, and continued, to the bit."""

import json
import random
import re
import signal
from pathlib import Path

import pytest
import torch

from support.trainings import TWO_PROCESSES, Training

pytestmark = pytest.mark.slow

LENGTH, PERIOD = 60, 4
OPTS = (
    *("SOLVER.MAX_ITER", LENGTH, "SOLVER.CHECKPOINT_PERIOD", PERIOD, "DATASETS.TEST", "()"),
    *("DATALOADER.NUM_WORKERS", 1),
)


@pytest.fixture(scope="module")
def undisturbed(synthetic_root, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    training = Training(synthetic_root, output, *OPTS, flags=TWO_PROCESSES)
    assert training.end(seconds=240) == 0, training.screen
    return output


def checkpoints(output: Path) -> set[str]:
    return {path.name for path in output.glob("*.pth")}


def newest_iteration(output: Path) -> int:
    """Iteration of the last whole checkpoint, by its name; -1 without one."""
    return max((int(name[6:13]) for name in checkpoints(output)), default=-1)


def assert_same_weights(output: Path, other: Path) -> None:
    ours, theirs = (torch.load(folder / "model_final.pth") for folder in (output, other))
    assert ours["model"].keys() == theirs["model"].keys()
    for name, tensor in ours["model"].items():
        assert torch.equal(tensor, theirs["model"][name]), name
    momenta, others = (
        content["trainer"]["_trainer"]["optimizer"]["state"] for content in (ours, theirs)
    )
    for index, state in momenta.items():
        assert torch.equal(state["momentum_buffer"], others[index]["momentum_buffer"]), index


def stopped_by(number: signal.Signals, checkpoint: int, root: Path, output: Path) -> Training:
    """A training that continues until it has a checkpoint, gets a signal then, and has ended."""
    training = Training(root, output, *OPTS, flags=(*TWO_PROCESSES, "--resume"))
    training.wait_until(lambda: newest_iteration(output) >= checkpoint)
    training.signal_group(number)
    code = training.end()
    assert code == (-9 if number == signal.SIGKILL else 130), training.screen
    return training


def test_kills_and_a_stop_of_both_processes_change_no_bit(synthetic_root, undisturbed, tmp_path):
    output, generator = tmp_path / "out", random.Random(0)
    newest = 0
    for _ in range(3):
        newest += generator.randrange(PERIOD, 2 * PERIOD)
        stopped_by(signal.SIGKILL, newest, synthetic_root, output)
        newest = newest_iteration(output)
    before = checkpoints(output)
    stopped = stopped_by(signal.SIGTERM, newest + PERIOD, synthetic_root, output)
    sentences = re.findall(r"Stopped after iteration (\d+); continue with", stopped.log)
    agreed = newest_iteration(output)
    assert sentences == [str(agreed)]
    assert agreed < LENGTH - 1
    # no process saved another one: those of the period, and that of the stop
    periodic = {f"model_{number:07d}.pth" for number in range(PERIOD - 1, agreed, PERIOD)}
    assert checkpoints(output) == before | periodic | {f"model_{agreed:07d}.pth"}
    last = Training(synthetic_root, output, *OPTS, flags=(*TWO_PROCESSES, "--resume"))
    assert last.end(seconds=240) == 0, last.screen
    assert f"Starting training from iteration {agreed + 1}" in last.screen
    assert_same_weights(output, undisturbed)
    rows = [json.loads(line) for line in (output / "metrics.json").read_text().splitlines()]
    iterations = [row["iteration"] for row in rows]
    assert iterations == sorted(set(iterations))
