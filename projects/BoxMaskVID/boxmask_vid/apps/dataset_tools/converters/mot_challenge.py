"""Reader of MOTChallenge sequences: ``gt/gt.txt``, ``seqinfo.ini`` and CVAT's ``gt/labels.txt``."""

from __future__ import annotations

import configparser
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ....data.datasets.folders import walk_files
from ....data.datasets.numbered_frames import is_hidden, list_pictures
from ....errors import InputError
from .labels import LabelledBox, Labels, OpenCount, VideoLabels, read_text, whole_number
from .mot_rows import CLASSES, MotRow, read_rows

# People whose detections the MOTChallenge counts neither as right nor as wrong.
IGNORED_PEOPLE = {"person_on_vehicle", "static_person", "distractor", "reflection", "crowd"}
IMAGES = "img1"
LONGEST_VIDEO = 10_000_000  # frames; a larger number is a mistake
CORNERS_NOTES = (
    "x and y count from 0 where there is a gt/labels.txt, as CVAT writes them (--corners-from 1 if "
    "they do not)",
    "x and y count from 1, as those of the MOTChallenge do (--corners-from 0 if they do not)",
)
OWN_CLASSES = (
    "name your own classes in gt/labels.txt, one a line, or correct the annotation (without that "
    "file, numbers are those of MOT16)"
)


def read_mot_challenge(source: Path, *, corners_from: int | None = None) -> Labels:
    """Read rows ``frame, id, x, y, width, height, flag, class, visibility``.

    Rows with flag 1 are objects of their class. Rows with flag 0 become ignore regions: people of
    :data:`IGNORED_PEOPLE` of the class pedestrian, others of their own class if it has flag 1
    somewhere; the rest (cars, occluders) is left out. A file ``gt/labels.txt``, which CVAT writes,
    names other classes, one per line. ``seqinfo.ini`` may be missing.

    Args:
        source: a sequence, or a folder that has sequences at any depth.
        corners_from: number of the first pixel, 0 or 1; None for 0 where there is a
            ``gt/labels.txt`` and 1 elsewhere.
    """
    if source.is_file():
        raise InputError(f"{source} is a file: give the folder of its sequence, or of several.")
    if not source.is_dir():
        raise FileNotFoundError(
            f"Folder {source} not found: give the folder of the sequences (an archive must be "
            "unpacked)."
        )
    files = [path for path in sorted(walk_files(source)) if path.parts[-2:] == ("gt", "gt.txt")]
    folders = [
        path.parent.parent
        for path in files
        if not is_hidden(path.parent.parent.relative_to(source))
    ]
    if not folders:
        raise InputError(f"{source} has no sequence: it must have a folder with gt/gt.txt in it.")
    left_out: Counter[str] = Counter()
    notes = _without_annotations(source, folders)
    videos = [_sequence(folder, source, corners_from, left_out, notes) for folder in folders]
    notes = [*dict.fromkeys(notes), *_same_rows(files)]
    return Labels(
        videos,
        left_out=left_out,
        notes=notes,
        class_of_others=CLASSES[0],
        class_remedy=OWN_CLASSES,
    )


def _without_annotations(source: Path, folders: list[Path]) -> list[str]:
    """Folders in which no sequence is: those of test sets, and others."""
    known = {source, *folders, *(above for folder in folders for above in folder.parents)}
    candidates = {path.parent for path in walk_files(source) if path.name == "seqinfo.ini"}
    if source not in folders:
        candidates |= {path for path in source.iterdir() if path.is_dir()}
    others = sorted(path for path in candidates - known if not is_hidden(path.relative_to(source)))
    names = [path.relative_to(source).as_posix() for path in others]
    return (
        [f"{len(names)} folders left out, without gt/gt.txt: {', '.join(names)}"] if names else []
    )


def _same_rows(files: list[Path]) -> list[str]:
    """Say that sequences have the same rows, as each of MOT17 is there for three detectors."""
    first: dict[bytes, Path] = {}
    found = [(first.setdefault(rows, f), f) for f in files if (rows := f.read_bytes().strip())]
    twice = [[path.parent.parent.name for path in pair] for pair in found if pair[0] != pair[1]]
    if not twice:
        return []
    return [
        f"{len(twice)} sequences have the gt.txt of another one, such as {twice[0][0]} and "
        f"{twice[0][1]}: give one of them, or they count twice"
    ]


def _sequence(
    folder: Path,
    source: Path,
    corners_from: int | None,
    left_out: Counter[str],
    notes: list[str],
) -> VideoLabels:
    gt = folder / "gt/gt.txt"
    labels = _labels(folder / "gt/labels.txt")
    rows = _rows(gt, labels)
    if corners_from is None:
        corners_from = 1 if labels is None else 0
        notes.append(CORNERS_NOTES[corners_from])
    if labels is None and any(row.category is not None for row in rows):
        notes.append("classes are numbered as in MOT16 (gt/labels.txt names others, one a line)")
    info = _Info.read(folder)
    below = folder.relative_to(source).as_posix()
    first_frame = _first_frame(rows, labels, folder / info.images)
    boxes = []
    for row, category in _counted(rows, labels is None, left_out):
        x, y, w, h = row.bbox
        bbox = (x - corners_from, y - corners_from, w, h)
        boxes.append(
            LabelledBox(
                *(row.frame - first_frame, category, bbox, row.where),
                track=row.track,
                ignored=not row.is_object,
            )
        )
    name = folder.resolve().name if below == "." else below
    numbers = [row.frame - first_frame for row in rows]
    frames = info.frames(numbers, gt)
    count = OpenCount(labels is not None) if frames is None else None
    return VideoLabels(
        *(name, str(gt), boxes),
        folders=(f"{below}/{info.images}", below),
        frames=frames,
        counts_from=first_frame,
        open_count=count,
        size=info.size,
    )


def _labels(path: Path) -> list[str] | None:
    """Names of the classes that CVAT writes, one a line; None without the file."""
    if not path.is_file():
        return None
    names = [name.strip() for name in read_text(path).strip().splitlines()]
    if "" in names:
        raise InputError(f"{path} has an empty line {names.index('') + 1}: remove it.")
    return names


def _rows(gt: Path, labels: list[str] | None) -> list[MotRow]:
    """Rows of a list; those without a class get the name of the only one of CVAT's."""
    rows = read_rows(gt, labels)
    if not labels or all(row.category is not None for row in rows):
        return rows
    if len(labels) > 1:
        raise InputError(
            f"{gt} has no classes, and gt/labels.txt names {len(labels)}: write the number of its "
            "class, from 1, into the eighth column of each row."
        )
    return [replace(row, category=labels[0]) for row in rows]


def _counted(
    rows: list[MotRow], has_people: bool, left_out: Counter[str]
) -> Iterator[tuple[MotRow, str | None]]:
    """Rows that are objects or ignore regions, with their class; ``has_people``: of MOT16's."""
    wanted = {row.category for row in rows if row.is_object}
    for row in rows:
        if not row.is_object and has_people and row.category in IGNORED_PEOPLE:
            yield row, CLASSES[0]
        elif row.is_object or row.category in wanted:
            yield row, row.category
        else:
            left_out[f"{row.category or 'boxes without a class'}, with flag 0"] += 1


@dataclass(frozen=True)
class _Info:
    """Content of ``seqinfo.ini``, as far as it is there."""

    images: str = IMAGES
    size: tuple[int, int] | None = None
    length: int | None = None

    @classmethod
    def read(cls, folder: Path) -> _Info:
        path = folder / "seqinfo.ini"
        if not path.is_file():
            return cls()
        info = configparser.ConfigParser(interpolation=None)
        try:
            info.read_string(read_text(path))
        except configparser.Error as error:
            raise InputError(
                f"{path} is not a seqinfo.ini ({error}): download it again."
            ) from error
        section = next((name for name in info.sections() if name.lower() == "sequence"), None)
        if section is None:
            raise InputError(f"{path} is not a seqinfo.ini (no [Sequence]): download it again.")
        sequence = dict(info[section])
        sides = [
            whole_number(sequence[key.lower()], str(path), key) if key.lower() in sequence else None
            for key in ("imWidth", "imHeight", "seqLength")
        ]
        width, height, length = sides
        if length is not None and not 0 < length <= LONGEST_VIDEO:
            raise InputError(f"{path}: seqLength is {length}: correct it.")
        size = None if width is None or height is None else (width, height)
        return cls(sequence.get("imdir", IMAGES).replace("\\", "/"), size, length)

    def frames(self, numbers: list[int], gt: Path) -> range | None:
        """Numbers of all frames, from 0; None if they are not known."""
        if self.length is None:
            return None
        first, last = min(numbers, default=0), max(numbers, default=0)
        if last < self.length:
            return range(self.length)
        if last - first + 1 > self.length:
            raise InputError(
                f"{gt} has boxes on frames {first + 1} to {last + 1}, seqinfo.ini says seqLength "
                f"{self.length}: correct one of them."
            )
        return range(first, last + 1) if last - first + 1 == self.length else None


def _first_frame(rows: list[MotRow], labels: list[str] | None, images: Path) -> int:
    """Number of the first frame: 1, or 0 if it occurs.

    CVAT writes the names of images that are only numbers as numbers of frames.
    """
    if any(row.frame == 0 for row in rows):
        return 0
    if labels is not None and os.path.isdir(images):  # also False for names that are not valid
        stems = [path.stem for path in list_pictures(images)[0]]
        if all(stem.isdigit() for stem in stems) and any(int(stem) == 0 for stem in stems):
            return 0
    return 1
