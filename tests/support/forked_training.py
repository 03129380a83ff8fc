"""Trainings in forked processes, which start at once, and can be killed at any place."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# a training imports them, for several seconds: here once, and not in each process
import torch._dynamo
import torch.utils.tensorboard  # noqa: F401

from boxmask_vid.engine import argument_parser, errors_in_one_line, run
from support.small import CONFIG, KINDS, SMALLEST

Preparation = Callable[[Path], None]  # what the process does first; gets the OUTPUT_DIR


class Done(NamedTuple):
    """A process that has ended."""

    code: int  # exit code; minus the number of the signal that killed it
    screen: str

    @property
    def sentence(self) -> str:
        """Last line on the screen."""
        return self.screen.strip().splitlines()[-1]


class Training:
    """``train_net.py`` with a tiny model, whose options come before those of :meth:`run`."""

    def __init__(self, datasets: tuple[str, str], *opts: object, kind: str = "selsa") -> None:
        train, val = datasets
        names = "DATASETS.TRAIN", f"('{train}',)", "DATASETS.TEST", f"('{val}',)"
        self._opts = [*SMALLEST, *KINDS[kind], *names, "SOLVER.IMS_PER_BATCH", "1", *map(str, opts)]

    def run(
        self,
        output: Path,
        *opts: object,
        flags: tuple[str, ...] = (),
        config: str = CONFIG,
        first: Preparation | None = None,
        within: float | None = None,
    ) -> Done:
        """Run it to its end, to the end that ``first`` has prepared, or for some seconds."""
        words = ["--config-file", config, *flags, "OUTPUT_DIR", str(output), *self._opts]
        return in_fork(lambda: _command([*words, *map(str, opts)]), output, first, within)


def in_fork(
    command: Callable[[], None],
    output: Path,
    first: Preparation | None = None,
    within: float | None = None,
) -> Done:
    """Run a command in a copy of this process."""
    screen = output.parent / f"{output.name}.screen"

    def work() -> None:
        with open(screen, "wb", buffering=0) as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        code = 0
        try:
            if first is not None:
                first(output)
            command()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(within)
    process.kill()  # nothing where it has ended
    process.join()
    code = process.exitcode
    assert code is not None
    return Done(code, screen.read_text(errors="replace"))


def killed_after(events: int) -> Preparation:
    """End the process, as ``kill -9`` does, at the n-th time that it touches its ``OUTPUT_DIR``.

    It touches it when it opens, renames or removes a file.
    """

    def prepare(output: Path) -> None:
        left = events

        def audit(event: str, arguments: tuple) -> None:
            nonlocal left
            if event in ("open", "os.rename", "os.remove") and str(output) in str(arguments[0]):
                left -= 1
                if left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)

    return prepare


def room_for(size: int) -> Preparation:
    """Let no file become larger, as a full disk does."""
    return lambda output: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def killed_at_byte(size: int) -> Preparation:
    """End the process when it writes beyond a size in any file; Linux kills it."""

    def prepare(output: Path) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare


def _command(words: list[str]) -> None:
    with errors_in_one_line():
        run(argument_parser().parse_args(words))
