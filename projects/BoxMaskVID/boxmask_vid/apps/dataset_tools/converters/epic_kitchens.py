"""Reader of the object boxes of EPIC-KITCHENS-55 (Damen et al., ECCV 2018), used by BoxMask."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from pathlib import Path

from ....errors import InputError
from .labels import LabelledBox, Labels, VideoLabels, read_text, whole_number

PLACES = ("{0}/{1}", "{0}/rgb_frames/{1}", "{0}/videos/{1}", "{1}")  # of a participant's video
RATE = 60.0  # frames a second of the JPEGs whose numbers the annotations have
DRAWN_ON = (1920, 1080)  # the boxes are in pixels of the original videos
SIDE = r"\s*([0-9]{1,6}(?:\.[0-9]{0,6})?)\s*"
BOX = re.compile(rf"\({SIDE},{SIDE},{SIDE},{SIDE}\)")
COLUMNS = ("noun_class", "participant_id", "video_id", "frame", "bounding_boxes")
NOUNS = "EPIC_noun_classes.csv"


def read_epic_kitchens(source: Path) -> Labels:
    """Read boxes ``(top, left, height, width)`` of active objects, on two frames a second.

    The images of ``P01_01`` lie in ``P01/P01_01`` below the image root, with the frame's number in
    their names; those between the annotated ones serve as reference frames. The numbers are those
    of the JPEGs that were extracted at 60 frames a second, from 1; in a video file of almost that
    rate (59.94) the frame of the same time is found. There are no tracks.

    Args:
        source: ``EPIC_train_object_labels.csv``; ``EPIC_noun_classes.csv`` names the classes and
            must lie beside it.
    """
    rows = _rows(source, COLUMNS)
    classes = {
        whole_number(row["noun_id"], where, "noun_id"): row["class_key"]
        for where, row in _rows(source.with_name(NOUNS), ("noun_id", "class_key"))
    }
    boxes: dict[tuple[str, str], list[LabelledBox]] = defaultdict(list)
    labelled: dict[tuple[str, str], set[str]] = defaultdict(set)
    for where, row in rows:
        frame = str(whole_number(row["frame"], where, "the frame"))
        noun = whole_number(row["noun_class"], where, "noun_class")
        if noun not in classes:
            raise InputError(f"{where}: noun_class {noun} is not in {NOUNS}: correct it.")
        text = row["bounding_boxes"].strip()
        found = BOX.findall(text)
        if re.sub(r"[\[\],\s]", "", BOX.sub("", text)) or text[:1] != "[" or text[-1:] != "]":
            raise InputError(
                f"{where}: bounding_boxes '{text[:40]}' is not '[(top, left, height, width), ...]'."
            )
        video = row["participant_id"].strip(), row["video_id"].strip()
        labelled[video].add(frame)
        for top, left, height, width in (map(float, numbers) for numbers in found):
            bbox = (left, top, width, height)
            boxes[video].append(LabelledBox(frame, classes[noun], bbox, where))
    videos = [
        VideoLabels(
            *(name, str(source), boxes[participant, name]),
            folders=tuple(place.format(participant, name) for place in PLACES),
            drawn_on=DRAWN_ON,
            labelled_frames=frozenset(frames),
            first_number=1,
            rate=RATE,
        )
        for (participant, name), frames in labelled.items()
    ]
    return Labels(videos, [classes[noun] for noun in sorted(classes)])


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Read rows, each after a description of its place."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path} has no column '{missing[0]}': give the right file.")
        rows = [(f"{path}, line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path} cannot be read ({error}): download it again.") from error
    for where, row in rows:
        absent = [column for column in columns if row[column] is None]
        if absent:
            raise InputError(f"{where} ends before '{absent[0]}': correct it.")
    if not rows:
        raise InputError(f"{path} has no rows: download it again.")
    return rows
