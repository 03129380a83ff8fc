"""Trainings in processes of their own, for tests that kill them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from support.paths import PROJECT
from support.small import CONFIG, KINDS, SMALLEST

SCRIPT = str(PROJECT / "train_net.py")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
TWO_PROCESSES = ("--num-gpus", "2", "--dist-url", "auto")
TICK = 0.1  # seconds
ENDLESS = ("SOLVER.MAX_ITER", 100_000, "DATASETS.TEST", "()", "SOLVER.CHECKPOINT_PERIOD", 2)


class Training:
    """A running ``train_net.py`` with its processes, in a process group of its own."""

    def __init__(
        self,
        datasets: Path,
        output: Path,
        *opts: object,
        flags: Sequence[str] = (),
        before: Sequence[str] = (sys.executable,),
        variables: dict[str, str] | None = None,
        screen: str = "screen",
    ) -> None:
        """
        Args:
            datasets: ``$DETECTRON2_DATASETS``.
            output: ``OUTPUT_DIR``; what it prints is beside it.
            opts: keys and values.
            flags: options of ``train_net.py``.
            before: the command line before the script.
            variables: environment variables.
            screen: name of the file beside ``output`` for what it prints.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        self.output, self._screen = output, output.with_name(screen)
        small = (*SMALLEST, *KINDS["selsa"], "SOLVER.IMS_PER_BATCH", 2, "SOLVER.BASE_LR", 0.005)
        command = [*before, SCRIPT, "--config-file", CONFIG, *flags, "OUTPUT_DIR", output]
        hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be under nohup
        try:
            with self._screen.open("w") as file:
                self.process = subprocess.Popen(
                    [*map(str, (*command, *small, *opts))],
                    env={**os.environ, "DETECTRON2_DATASETS": str(datasets), **(variables or {})},
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        finally:
            signal.signal(signal.SIGHUP, hangup)

    @property
    def screen(self) -> str:
        return self._screen.read_text()

    @property
    def log(self) -> str:
        path = self.output / "log.txt"
        return path.read_text() if path.is_file() else ""

    def wait_until(self, condition: Callable[[], object]) -> None:
        for _ in ticks(240):
            if condition():
                return
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(TICK)
            assert self.process.poll() is None, self.screen[-4000:]
        pytest.fail(self.screen[-4000:])

    def wait_for_checkpoint(self) -> None:
        self.wait_until((self.output / "last_checkpoint").is_file)

    def wait_for_metrics(self) -> None:
        rows = self.output / "metrics.json"
        self.wait_until(lambda: rows.is_file() and rows.stat().st_size)

    def pids_of_ranks(self) -> dict[int, int]:
        """PIDs of the ranks: each writes a log, as its loader workers could."""
        family = descendants(self.process.pid)
        found = {}
        for rank in range(2):
            log = self.output / (f"log.txt.rank{rank}" if rank else "log.txt")
            writers = [pid for pid in family if log in open_files(pid)]
            found.update((rank, pid) for pid in writers if parent(pid) not in writers)
        return found

    def signal_group(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def end(self, seconds: float = 60) -> int:
        """Wait for the end; return the exit code. No process is left."""
        family = descendants(self.process.pid)
        self.wait_for_end_of([self.process.pid, *family], seconds)
        return self.process.wait()

    def wait_for_end_of(self, pids: Sequence[int], seconds: float = 60) -> None:
        """Wait until processes have ended; kill those that have not in time, and fail."""
        for _ in ticks(seconds):
            running = [pid for pid in pids if alive(pid)]
            if not running:
                return
            with suppress(ProcessLookupError):  # it has ended
                end = os.pidfd_open(running[0])
                select.select([end], [], [], TICK)
                os.close(end)
        if left := [pid for pid in pids if alive(pid)]:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            pytest.fail(f"processes {left} were still there\n{self.screen[-4000:]}")


def ticks(seconds: float) -> range:
    """Waits of ``TICK`` that are as long as so many seconds of a machine that is not busy.

    Where this process had to wait for a processor, so had those that it waits for.
    """
    return range(round(seconds / TICK))


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        children.setdefault(parent(int(path.name)), []).append(int(path.name))
    found, waiting = [], [pid]
    while waiting:
        waiting += (new := children.get(waiting.pop(), []))
        found += new
    return found


def state(pid: int) -> list[str]:
    """Letter of the state of a process, its parent, ...; X for one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]


def parent(pid: int) -> int:
    return int(state(pid)[1])


def alive(pid: int) -> bool:
    return state(pid)[0] not in "XZ"


def open_files(pid: int) -> set[Path]:
    try:
        return {link.resolve() for link in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()
