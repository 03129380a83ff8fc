"""Commands of the repository, as a user types them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A Python script of the repository with its options.

    Attributes:
        repository: where ``projects/BoxMaskVID`` and ``datasets`` are.
        script: its path in the repository.
        options: anything with a text.
        variables: of the environment.
    """

    repository: Path
    script: str
    options: Sequence[object]
    variables: Mapping[str, object] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """What to start from the folder that this process is in."""
        return [sys.executable, "-W", "ignore", *self._typed]

    @property
    def environment(self) -> dict[str, str]:
        """Of this process, with the variables."""
        return {**os.environ, **{name: str(value) for name, value in self.variables.items()}}

    def __str__(self) -> str:
        """For a shell."""
        variables = [f"{name}={value}" for name, value in self.variables.items()]
        return " ".join([*variables, "python", shlex.join(self._typed)])

    @property
    def _typed(self) -> list[str]:
        return [os.path.relpath(self.repository / self.script), *map(str, self.options)]


def synthetic_vid_commands(
    repository: Path, tree: Path, *, seed: int, **counts: float
) -> dict[str, Command]:
    """How a converted tree of synthetic videos is made: titles and commands.

    Args:
        repository: see :class:`Command`.
        tree: where.
        seed: of the videos.
        counts: other options of ``make_synthetic_vid.py``, e.g. ``val_videos``.
    """
    options = [tree, "--seed", seed]
    for name, value in counts.items():
        options += [f"--{name.replace('_', '-')}", value]
    convert = [tree, "--output", tree / "coco_vid"]
    return {
        "videos": Command(repository, "datasets/make_synthetic_vid.py", options),
        "conversion": Command(repository, "datasets/prepare_imagenet_vid.py", convert),
    }
