"""Commands of the repository, as a user types them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERRUPTED = 130  # exit code of a command after Ctrl-C


@dataclass(frozen=True)
class Command:
    """A Python script of the repository with its options."""

    repository: Path  # folder of projects/BoxMaskVID and datasets
    script: str  # path in the repository
    options: Sequence[object]  # words of the command line; anything with a text
    variables: Mapping[str, object] = field(default_factory=dict)  # environment variables

    @property
    def words(self) -> list[str]:
        """The command line for a process that starts in the current folder."""
        return [sys.executable, "-W", "ignore", *self._typed]

    @property
    def environment(self) -> dict[str, str]:
        """Environment of this process, with the variables."""
        return {**os.environ, **{name: str(value) for name, value in self.variables.items()}}

    def run(self) -> int:
        """Run the command, whose output goes to the screen; return its exit code.

        Ctrl-C in a terminal goes to the command, too: it ends as it likes, e.g. with a checkpoint.
        Raises KeyboardInterrupt then, or if the command alone was interrupted.
        """
        is_interrupted = False
        with subprocess.Popen(self.words, env=self.environment) as process:
            while process.returncode is None:
                try:
                    process.wait()
                except KeyboardInterrupt:
                    is_interrupted = True
        if is_interrupted or process.returncode == INTERRUPTED:
            raise KeyboardInterrupt
        return process.returncode

    def __str__(self) -> str:
        """The command line for a shell."""
        variables = [f"{name}={value}" for name, value in self.variables.items()]
        return " ".join([*variables, "python", shlex.join(self._typed)])

    @property
    def _typed(self) -> list[str]:
        return [os.path.relpath(self.repository / self.script), *map(str, self.options)]


def synthetic_vid_commands(repository: Path, tree: Path, **settings: float) -> dict[str, Command]:
    """Titles and commands that make a converted tree of synthetic videos.

    ``settings`` are options of ``make_synthetic_vid.py``, e.g. ``seed`` and ``val_videos``.
    """
    options: list[object] = [tree]
    for name, value in settings.items():
        options += [f"--{name.replace('_', '-')}", value]
    convert = [tree, "--output", tree / "coco_vid"]
    return {
        "videos": Command(repository, "datasets/make_synthetic_vid.py", options),
        "conversion": Command(repository, "datasets/prepare_imagenet_vid.py", convert),
    }
