"""Reader of YOLO text files, as Darknet, LabelImg, Ultralytics, Roboflow and CVAT write them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import yaml

from ....errors import InputError
from .label_files import LabelFolder, image_root, label_folders
from .labels import LabelledBox, Labels, read_lines, read_text, whole_number
from .yolo_rows import BOX_COLUMNS, POLYGONS, YoloRow, meaning, read_rows

LISTS = ("classes.txt", "obj.names", "_darknet.labels")  # names of classes, one a line
YAML = ("data.yaml", "data.yml", "dataset.yaml")  # before other YAML files with names
YAML_SUFFIXES = (".yaml", ".yml")
YAML_KEYS = {"path", "train", "val", "nc"}  # one of them is in a YAML file of a data set
NO_LABELS = {"classes", "train", "val", "valid", "test", "labels", "notes"}
SPLITS = {"train", "val", "valid", "test"}
ABOVE = 2  # folders above the source in which the names of the classes may be


def read_yolo(source: Path, *, classes: Sequence[str] | None = None) -> Labels:
    """Read lines ``class x_centre y_centre width height [track]``, relative to the image.

    Of polygons and turned boxes, which have more columns, the box around them is read.

    Args:
        source: ``data.yaml`` or another YAML file with ``names``, or a folder with ``<image>.txt``
            at any depth, and the names of the classes: ``classes.txt`` or ``obj.names``, one per
            line, or such a YAML file.
        classes: names in the order of their numbers, where no file has them.
    """
    given = _ClassList(Path("--classes"), tuple(classes)) if classes else None
    if source.is_file() and source.suffix.lower() in YAML_SUFFIXES:
        listed = _ClassList.read(source)
        found_by: dict[str, _ClassList | None] = {"of_source": listed}
        source = source.parent / (listed.root or "")
        if not source.is_dir():
            source = listed.path.parent
    else:
        found_by = {"otherwise": given}
    folders = label_folders(source, ".txt", _is_label)
    rows = {file: read_rows(file) for folder in folders for file in folder.files}
    found = {folder: _ClassList.find(folder.path, source, **found_by) for folder in folders}
    lists = list(dict.fromkeys(found.values()))
    every = [row for of_file in rows.values() for row in of_file]
    keypoints = lists[0].keypoints
    if any(classes.keypoints != keypoints for classes in lists):
        raise InputError(f"{source}: data.yaml files differ in kpt_shape: convert them one by one.")
    read = meaning(every, keypoints)
    videos = []
    for folder in folders:
        names = found[folder].names
        boxes = []
        for row in (row for file in folder.files for row in rows[file]):
            index = whole_number(row.fields[0], row.where, "the class")
            if not 0 <= index < len(names):
                raise InputError(
                    f"{row.where}: class {index} is not one of the {len(names)} of "
                    f"{found[folder].path}, which count from 0: correct it."
                )
            bbox, track = read(row)
            boxes.append(LabelledBox(row.path.stem, names[index], bbox, row.where, track=track))
        videos.append(folder.video(boxes, drawn_on=(1.0, 1.0)))
    names_of_all = list(dict.fromkeys(name for of_list in lists for name in of_list.names))
    left_out = {"sets of keypoints": len(every)} if keypoints else {}
    notes = [*_polygons(every, keypoints), *_splits(folders, source)]
    return Labels(videos, names_of_all, left_out, notes=notes, root=image_root(source))


def _is_label(path: Path) -> bool:
    """Whether a text file has labels; names such as train.txt are those of lists as well."""
    stem = path.stem.lower()
    if stem not in NO_LABELS and not stem.startswith("readme"):
        return True
    lines = read_lines(path)
    fields = lines[0][1].split() if lines else []
    return len(fields) >= BOX_COLUMNS and fields[0].replace(".", "", 1).isdigit()


@dataclass(frozen=True)
class _ClassList:
    """Names of classes in the order of their numbers, from a file."""

    path: Path
    names: tuple[str, ...]
    keypoints: int | None = None  # columns of keypoints in a row
    root: str | None = None  # folder of the data set, as a YAML file has it

    @classmethod
    def find(
        cls,
        folder: Path,
        source: Path,
        *,
        of_source: _ClassList | None = None,
        otherwise: _ClassList | None = None,
    ) -> _ClassList:
        """Find the list for a folder of labels: in it, or in the nearest folder above it."""
        if of_source is not None:
            return of_source
        inside = len(folder.relative_to(source).parts)
        here = Path(os.path.abspath(folder))  # a linked folder is where its link is
        places = [here, *here.parents][: inside + 1 + ABOVE]
        for place in places:
            files = [place / name for name in (*LISTS, *YAML) if (place / name).is_file()]
            lists = [cls.read(path) for path in files or _other_yaml(place)]
            for other in lists[1:]:
                if other.names != lists[0].names:
                    raise InputError(
                        f"{other.path} and {lists[0].path} name different classes: keep the right "
                        "one."
                    )
            if lists:
                return max(lists, key=lambda found: found.keypoints or 0)
        if otherwise is not None:
            return otherwise
        raise InputError(
            f"{source} does not name its classes: add classes.txt, one name per line, "
            "data.yaml, or the names with --classes."
        )

    @classmethod
    def read(cls, path: Path) -> _ClassList:
        """Read a list, or a YAML file that has one."""
        if path.name in LISTS:
            names = tuple(line.strip() for line in read_text(path).strip().splitlines())
            if "" in names:
                raise InputError(f"{path} has an empty line {names.index('') + 1}: remove it.")
            return cls(path, names)
        try:
            text = read_text(path)
            content = yaml.safe_load(text)
            names = yaml.load(text, Loader=yaml.BaseLoader)["names"]
            shape = content.get("kpt_shape")
            keypoints = None if shape is None else prod(int(side) for side in shape)
        except (yaml.YAMLError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise InputError(
                f"{path} has no list 'names' of the classes ({error!r}): add it."
            ) from error
        listed = _names(names, path)
        count = content.get("nc", len(listed))
        if count != len(listed):
            raise InputError(f"{path} has {len(listed)} names and nc {count}: correct it.")
        root = content.get("path")
        return cls(path, listed, keypoints, root if isinstance(root, str) else None)


def _names(names: object, path: Path) -> tuple[str, ...]:
    """Names of classes as a YAML file writes them, where ``no`` is a text.

    Raises:
        InputError: if they are no list of texts, and no table of 0, 1, 2, ...
    """
    if isinstance(names, dict):
        numbered = {whole_number(key, str(path), "a key of 'names'"): names[key] for key in names}
        if sorted(numbered) != list(range(len(names))):
            raise InputError(
                f"{path}: 'names' has the numbers {', '.join(map(str, sorted(numbered)))}, and "
                "classes count from 0 without gaps: correct them."
            )
        names = [numbered[index] for index in range(len(numbered))]
    listed: list = names if isinstance(names, list) else [None]
    for name in listed:
        if not isinstance(name, str) or name.strip() in ("", "~", "null"):
            shown = str(names if name is None else name)[:40]
            raise InputError(
                f"{path} has no list 'names' of the classes, but {shown!r} in it: write names: "
                "[NAME, ...]."
            )
    return tuple(name.strip() for name in listed)


def _other_yaml(folder: Path) -> list[Path]:
    """YAML files of a data set with names of classes, that are called otherwise than usual."""
    found = []
    for path in sorted(folder.glob("*.y*ml")):
        try:
            content = yaml.safe_load(read_text(path)) if path.is_file() else None
        except (yaml.YAMLError, RecursionError, ValueError):
            continue  # of something else
        if isinstance(content, dict) and "names" in content and YAML_KEYS & content.keys():
            found.append(path)
    return found


def _polygons(rows: Sequence[YoloRow], keypoints: int | None) -> list[str]:
    count = sum(len(row.fields) > BOX_COLUMNS + 1 for row in rows)
    return [f"{count} {POLYGONS}"] if count and keypoints is None else []


def _splits(folders: Sequence[LabelFolder], source: Path) -> list[str]:
    names = {part for folder in folders for part in folder.path.relative_to(source).parts}
    splits = sorted(names & SPLITS)
    if len(splits) < 2:
        return []
    return [
        f"the splits {', '.join(splits)} are in one file (give the folder of one of them as the "
        "source for a file of its own)"
    ]
