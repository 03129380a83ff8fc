"""Commands that run several at a time, each in a folder that tells whether it is finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import mean

from ...errors import InputError
from ...files import read_json, write_json
from ..commands import Command

COST_FILE = "cost.json"


@dataclass(frozen=True)
class Job:
    """A command and what it leaves.

    Attributes:
        command: what runs.
        folder: where its output goes, and what it cost.
        result: the file that is there when it has finished.
        kind: jobs of a kind take about as long as each other.
        after: a job that must have finished.
    """

    command: Command
    folder: Path
    result: Path
    kind: str
    after: Job | None = None

    @property
    def is_finished(self) -> bool:
        return self.result.is_file() and (self.folder / COST_FILE).is_file()

    @property
    def is_ready(self) -> bool:
        return self.after is None or self.after.is_finished

    def cost(self) -> dict[str, float]:
        """``seconds`` from start to end, ``peak_gib`` of its largest process."""
        return read_json(self.folder / COST_FILE)


@dataclass
class JobRunner:
    """Runs jobs, ``at_once`` at a time; a job that has finished is left alone.

    Ctrl-C (or SIGTERM) is handed on once to what runs, which writes a checkpoint and ends; what was
    waiting stays unfinished.
    """

    at_once: int
    _running: dict[int, tuple[Job, float]] = field(default_factory=dict)  # process: job, start

    def run(self, jobs: Sequence[Job]) -> None:
        """
        Raises:
            InputError: if commands fail; the others ran.
            KeyboardInterrupt: if it was interrupted.
        """
        waiting = [job for job in jobs if not job.is_finished]
        _say(f"{len(jobs) - len(waiting)} of {len(jobs)} commands have finished before.")
        failed = []
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            while True:
                ready = (job for job in waiting.copy() if job.is_ready)
                for job in islice(ready, self.at_once - len(self._running)):
                    waiting.remove(job)
                    self._start(job)
                if not self._running:
                    break
                job, succeeded = self._wait()
                if not succeeded:
                    failed.append(job)
                open_jobs = [*waiting, *(each for each, _ in self._running.values())]
                _say(f"{len(open_jobs)} commands left{time_left(open_jobs, jobs, self.at_once)}.")
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)
        if failed:
            logs = ", ".join(str(log_file(job)) for job in failed)
            raise InputError(f"{len(failed)} of {len(jobs)} commands failed, see {logs}.")

    def _start(self, job: Job) -> None:
        job.folder.mkdir(parents=True, exist_ok=True)
        with log_file(job).open("a") as log:
            log.write(f"$ {job.command}\n")
            log.flush()
            process = subprocess.Popen(
                job.command.words,
                env=job.command.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C comes from here, once
            )
        self._running[process.pid] = job, time.perf_counter()
        _say(f"{job.kind}: {log_file(job)}")

    def _wait(self) -> tuple[Job, bool]:
        """A job whose command has ended, and whether it did what it should."""
        while True:
            pid, status, usage = os.wait4(-1, 0)
            if pid in self._running:
                break
        job, start = self._running.pop(pid)
        _add_cost(job, time.perf_counter() - start, usage.ru_maxrss)
        return job, status == 0

    def _stop(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        _say("stopping: trainings write a checkpoint first")
        while self._running:
            self._wait()


def log_file(job: Job) -> Path:
    """What the command prints."""
    return job.folder / "output.txt"


def time_left(waiting: Sequence[Job], jobs: Sequence[Job], at_once: int) -> str:
    """An estimate from jobs of the same kinds that have finished; empty without any."""
    seconds: dict[str, list[float]] = {}
    for job in jobs:
        if job.is_finished:
            seconds.setdefault(job.kind, []).append(job.cost()["seconds"])
    if not seconds or not waiting:
        return ""
    usual = mean(mean(each) for each in seconds.values())
    total = sum(mean(seconds.get(job.kind, [usual])) for job in waiting)
    return f", about {total / at_once / 60:.0f} minutes"


def _add_cost(job: Job, seconds: float, max_rss: int) -> None:
    path = job.folder / COST_FILE
    earlier = read_json(path) if path.is_file() else {"seconds": 0.0, "peak_gib": 0.0}
    unit = 1 if sys.platform == "darwin" else 1024
    peak = max(earlier["peak_gib"], max_rss * unit / 2**30)
    write_json(path, {"seconds": earlier["seconds"] + seconds, "peak_gib": peak})


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)
