"""Commands that run several at a time, each in a folder that records whether it has finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from ...engine.interrupts import ending_signals
from ...errors import InputError
from ...files import read_json, write_json
from ..commands import Command

COST_FILE = "cost.json"


@dataclass(frozen=True)
class Run:
    """A command and the files that it leaves."""

    command: Command
    folder: Path  # of its output and of its cost
    result: Path  # the file that exists when it has finished
    kind: str  # runs of a kind take about as long as each other
    after: Run | None = None  # a run that must have finished before

    @property
    def is_finished(self) -> bool:
        return self.result.is_file() and (self.folder / COST_FILE).is_file()

    @property
    def log_file(self) -> Path:
        """The file that the command prints to."""
        return self.folder / "output.txt"

    def cost(self) -> dict[str, float]:
        """``seconds`` from start to end, ``peak_gib`` of its largest process."""
        return read_json(self.folder / COST_FILE)


@dataclass
class RunQueue:
    """Executes runs, ``at_once`` at a time; a run that has finished is left alone.

    Ctrl-C (or SIGTERM, or a closed terminal) is passed on once to the running commands, which write
    a checkpoint and end; waiting ones stay unfinished.
    """

    at_once: int
    _running: dict[int, tuple[Run, float]] = field(default_factory=dict)  # process: run, start

    def run(self, runs: Sequence[Run]) -> None:
        """Execute all that have not finished, in order where one needs another.

        Raises InputError if commands fail (the others ran), KeyboardInterrupt if interrupted.
        """
        waiting = [run for run in runs if not run.is_finished]
        _say(f"{len(runs) - len(waiting)} of {len(runs)} commands have finished before.")
        failed = []
        previous = {n: signal.signal(n, signal.default_int_handler) for n in ending_signals()}
        try:
            while True:
                ready = [run for run in waiting if run.after is None or run.after.is_finished]
                for run in ready[: self.at_once - len(self._running)]:
                    waiting.remove(run)
                    self._start(run)
                if not self._running:
                    break
                run, status = self._wait()
                if status:
                    failed.append(run)
                left = [*waiting, *(run for run, _ in self._running.values())]
                commands = "command" if len(left) == 1 else "commands"
                _say(f"{len(left)} {commands} left{time_left(left, runs, self.at_once)}.")
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if failed:
            logs = ", ".join(str(run.log_file) for run in failed)
            raise InputError(f"{len(failed)} of {len(runs)} commands failed, see {logs}.")

    def _start(self, run: Run) -> None:
        run.folder.mkdir(parents=True, exist_ok=True)
        with run.log_file.open("a") as log:
            log.write(f"$ {run.command}\n")
            log.flush()
            process = subprocess.Popen(
                run.command.words,
                env=run.command.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C comes from here, once
            )
        self._running[process.pid] = run, time.perf_counter()
        _say(f"{run.kind}: {run.log_file}")

    def _wait(self) -> tuple[Run, int]:
        """A run whose command has ended, with its cost on the disk, and its status."""
        pid = None
        while pid not in self._running:
            pid, status, usage = os.wait4(-1, 0)
        run, start = self._running.pop(pid)
        path = run.folder / COST_FILE
        earlier = run.cost() if path.is_file() else {"seconds": 0.0, "peak_gib": 0.0}
        seconds = earlier["seconds"] + time.perf_counter() - start
        unit = 1 if sys.platform == "darwin" else 1024
        peak = max(earlier["peak_gib"], usage.ru_maxrss * unit / 2**30)
        write_json(path, {"seconds": seconds, "peak_gib": peak})
        return run, status

    def _stop(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        _say("stopping: trainings write a checkpoint first")
        while self._running:
            self._wait()


def time_left(waiting: Sequence[Run], runs: Sequence[Run], at_once: int) -> str:
    """An estimate from runs of the same kinds that have finished; empty without any."""
    seconds: dict[str, list[float]] = {}
    for run in runs:
        if run.is_finished:
            seconds.setdefault(run.kind, []).append(run.cost()["seconds"])
    if not seconds or not waiting:
        return ""
    usual = mean(map(mean, seconds.values()))
    total = sum(mean(seconds.get(run.kind, [usual])) for run in waiting)
    return f", about {total / at_once / 60:.0f} minutes"


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)
