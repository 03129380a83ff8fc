"""Files of detections in COCO's result format, a portion at a time: they may be gigabytes."""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from ..errors import InputError, shortened
from ..files import written_whole
from ..progress import progress
from .box_units import unit_warnings
from .detections import Detections, result_columns
from .ground_truth import GroundTruth

logger = logging.getLogger(__name__)

BLOCK = 1 << 20  # characters that are read at once
LONGEST_RECORD = 1 << 26  # characters
PORTION = 100_000  # detections whose records are in memory at once

_decode = json.JSONDecoder().raw_decode
_WORD = re.compile(r"\S")


def _after_space(text: str, place: int) -> int:
    """Position of the first character from ``place`` on that is not white space."""
    word = _WORD.search(text, place)
    return word.start() if word else len(text)


def read_detections(path: str | Path, ground_truth: GroundTruth) -> Detections:
    """Read a JSON list of COCO results ``{image_id, category_id, bbox [x, y, w, h], score}``.

    Boxes that do not seem to be pixels of their images give a warning.

    Raises:
        InputError: if it is not such a list, or a value in it is invalid.
        FileNotFoundError: if the file does not exist.
    """
    records, number = _records(Path(path)), 0
    portions = [result_columns([], source=str(path))]
    while portion := list(islice(records, PORTION)):
        portions.append(result_columns(portion, source=str(path), first=number))
        number += len(portion)
    columns = [np.concatenate(parts) for parts in zip(*portions, strict=True)]
    portions.clear()
    detections = Detections.from_columns(*columns, ground_truth=ground_truth, source=str(path))
    for sentence in unit_warnings(detections, ground_truth):
        logger.warning(f"{path}: {sentence}")
    return detections


def write_detections(path: Path, detections: Detections, ground_truth: GroundTruth) -> None:
    """Write a JSON list of COCO results, whole or not at all.

    Raises:
        InputError: if the file cannot be written.
    """
    columns = detections.columns(ground_truth)
    starts = range(0, len(detections), PORTION)
    with written_whole(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write("[")
        for start in progress(starts, total=len(starts), what="portion"):
            part = [column[start : start + PORTION].tolist() for column in columns]
            records = [
                {"image_id": image, "category_id": category, "bbox": box, "score": score}
                for image, category, box, score in zip(*part, strict=True)
            ]
            file.write((",\n" if start else "") + json.dumps(records)[1:-1])
        file.write("]\n")


def _records(path: Path) -> Iterator[dict]:
    """The elements of a JSON list."""
    if not path.is_file():
        raise FileNotFoundError(f"File of detections {path} not found: check the path.")
    blocks = _blocks(path)
    text = next(blocks, "")
    place = _after_space(text, 0)
    if text[place : place + 1] != "[":
        raise InputError(
            f"{path} starts with {text[:20]!r}: detections are a JSON list of COCO results "
            "[{image_id, category_id, bbox, score}, ...]."
        )
    expected = "["
    while True:
        try:
            place = _after_space(text, place)
            if text[place : place + 1] == "]":
                deque(blocks, maxlen=0)  # to the end of the progress bar
                break
            if text[place] != expected:
                raise json.JSONDecodeError(f"Expecting {expected!r}", text, place)
            start = _after_space(text, place + 1)
            if expected == "[" and text[start] == "]":
                break
            record, place = _decode(text, start)
            yield record
            expected = ","
        except RecursionError as error:
            raise InputError(
                f"{path} has a detection that is nested too deeply "
                f"({shortened(text[place:], 40)}): write it again."
            ) from error
        except (ValueError, IndexError) as error:  # also of a number with thousands of digits
            more = next(blocks, "")
            if not more or len(text) - place > LONGEST_RECORD:
                raise InputError(
                    f"{path} is not a complete JSON list ({type(error).__name__} in "
                    f"{text[place : place + 40]!r}): write it again."
                ) from error
            text, place = text[place:] + more, 0


def _blocks(path: Path) -> Iterator[str]:
    size = path.stat().st_size
    with open(path, encoding="utf-8-sig") as file:
        parts = iter(lambda: file.read(BLOCK), "")
        try:
            yield from progress(parts, total=-(-size // BLOCK), what="megabyte")
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not text in UTF-8 ({error}): write it again.") from error
