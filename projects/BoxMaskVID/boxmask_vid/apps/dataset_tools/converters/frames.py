"""Frames that annotations belong to, and how annotations call them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath, PurePosixPath

from ....data.datasets.spellings import same_spelling


@dataclass(frozen=True)
class Frames:
    """Frames of a video."""

    sizes: Sequence[tuple[int, int]]  # width and height of each frame
    files: Sequence[str] | None = None  # image files below the root; None for a video file
    video_file: str | None = None  # video file below the root, if frames are read in place
    extracted_from: str | None = None  # video file below the root, if they are not
    # of the first frame of a video file in the names of label files; None for images
    first_number: int | None = None
    frames_per_number: float = 1.0  # of a video file; not 1 where the images had another rate
    places: Mapping[int, int] | None = None  # position of each number; None if they are equal
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """Folder or video file, for messages."""
        if self.video_file is not None:
            return self.video_file
        folder = PurePosixPath(self.files[0]).parent.as_posix() if self.files else "its video"
        return folder if folder != "." else "the folder of images"

    def position(self, frame: int | str) -> int | None:
        """Find the frame that annotations mean: by its number, name, stem, or number in a stem."""
        if isinstance(frame, int):
            if self.places is not None:
                return self.places.get(frame)
            return frame if 0 <= frame < len(self.sizes) else None
        number = last_number(frame)
        if self.first_number is not None:
            if number is None:
                return None
            return self.position(round((number - self.first_number) * self.frames_per_number))
        called = same_spelling(frame)
        found = self._stems.get(called, self._names.get(called))
        return self._numbers.get(number) if found is None and frame.isdigit() else found

    def is_named(self, stem: str) -> bool:
        """Whether an image has this name, with its suffix or without."""
        called = same_spelling(stem)
        return called in self._stems or called in self._names

    @cached_property
    def _stems(self) -> dict[str, int]:
        names = enumerate(map(same_spelling, self.files or ()))
        return {PurePath(file).stem: index for index, file in names}

    @cached_property
    def _names(self) -> dict[str, int]:
        """Some tools add the suffix of their files to that of the image: 1.png.txt."""
        names = enumerate(map(same_spelling, self.files or ()))
        return {PurePath(file).name: index for index, file in names}

    @cached_property
    def _numbers(self) -> dict[int | None, int]:
        """Positions of numbers that occur once."""
        numbers = {stem: last_number(stem) for stem in self._stems}
        counts = Counter(numbers.values())
        return {n: self._stems[stem] for stem, n in numbers.items() if counts[n] == 1}


def last_number(stem: str) -> int | None:
    """Number at the end of a name; None if it does not end with one."""
    found = re.search(r"(\d{1,12})$", stem)
    return int(found[1]) if found else None
