"""Detections in columns, for the scorers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError, quoted
from .ground_truth import GroundTruth


@dataclass(frozen=True)
class Detections:
    """D detections, ordered by class, falling score, image, and then as they were given.

    The detections of class c are ``class_slice(c)``.
    """

    images: np.ndarray  # (D,) int32, position in `GroundTruth.image_ids`
    classes: np.ndarray  # (D,) int16, position in `GroundTruth.category_ids`
    scores: np.ndarray  # (D,) float64
    boxes: np.ndarray  # (D, 4) float64: x, y, width, height in pixels

    @classmethod
    def ordered(
        cls, images: np.ndarray, classes: np.ndarray, scores: np.ndarray, boxes: np.ndarray
    ) -> Detections:
        """Detections from columns in any order."""
        order = np.argsort(-scores, kind="stable")
        if (np.diff(images) < 0).any():
            order = np.lexsort((images, -scores))
        order = order[np.argsort(classes[order], kind="stable")]
        return cls(images.astype(np.int32), classes.astype(np.int16), scores, boxes)[order]

    @classmethod
    def from_coco(
        cls, results: Sequence[dict], ground_truth: GroundTruth, source: str = "detections"
    ) -> Detections:
        """Detections from decoded JSON {image_id, category_id, bbox [x, y, w, h], score}.

        The ground truth has the images and classes that they refer to; messages name the source.

        Raises:
            InputError: if a value in them is invalid.
        """
        columns = result_columns(results, source=source)
        return cls.from_columns(*columns, ground_truth=ground_truth, source=source)

    @classmethod
    def from_columns(
        cls,
        image_ids: np.ndarray,
        category_ids: np.ndarray,
        boxes: np.ndarray,
        scores: np.ndarray,
        *,
        ground_truth: GroundTruth,
        source: str = "detections",
    ) -> Detections:
        """Detections from columns (D,), (D,), (D, 4) and (D,), see :meth:`from_coco`."""
        images = _positions(image_ids, ground_truth.image_ids, source, "image_id")
        classes = _positions(category_ids, ground_truth.category_ids, source, "category_id")
        _check(~np.isfinite(scores), scores, source, "score", "must be a finite number")
        finite = np.isfinite(boxes).all(axis=1)
        _check(~finite, boxes, source, "bbox", "must be four finite numbers x, y, width, height")
        negative = (boxes[:, 2:] < 0).any(axis=1)
        _check(negative, boxes, source, "bbox", "must have a width and a height of 0 or more")
        return cls.ordered(images, classes, scores, boxes)

    def on_images(self, renumbered: np.ndarray) -> Detections:
        """Detections in some of the images.

        Args:
            renumbered: (I,) new position of each image; -1 to leave it out, else rising.
        """
        moved = replace(self, images=renumbered[self.images].astype(np.int32))
        kept = moved.images >= 0
        return moved if kept.all() else moved[kept]

    def columns(self, ground_truth: GroundTruth) -> tuple[np.ndarray, ...]:
        """Image ids, category ids, boxes and scores, ordered by image and falling score."""
        order = np.lexsort((-self.scores, self.images))
        image_ids = ground_truth.image_ids[self.images[order]]
        category_ids = ground_truth.category_ids[self.classes[order]]
        return image_ids, category_ids, self.boxes[order], self.scores[order]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: np.ndarray | slice) -> Detections:
        """Some of the detections, or all of them in another order."""
        columns = self.images, self.classes, self.scores, self.boxes
        return Detections(*(column[rows] for column in columns))

    def class_slice(self, class_index: int) -> slice:
        """Slice of the detections of a class."""
        first, end = np.searchsorted(self.classes, [class_index, class_index + 1])
        return slice(int(first), int(end))


def result_columns(
    results: Sequence[dict], *, source: str, first: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Image ids (D,), category ids (D,), boxes (D, 4) and scores (D,) of COCO results.

    Messages number the results from ``first``.

    Raises:
        InputError: if a field is missing or has the wrong type.
    """
    if not results:
        empty = np.zeros(0, np.int64)
        return empty, empty, np.zeros((0, 4)), np.zeros(0)
    try:
        columns = [
            np.array([result[field] for result in results])
            for field in ("image_id", "category_id", "bbox", "score")
        ]
    except (KeyError, TypeError, ValueError, OverflowError):
        if bad := _bad_result(results, source, first):
            raise bad from None
        raise
    image_ids, category_ids, boxes, scores = columns
    kinds = "".join(column.dtype.kind for column in columns)
    if not _KINDS.fullmatch(kinds) or boxes.shape != (len(results), 4):
        if bad := _bad_result(results, source, first):
            raise bad
        # whole numbers of 20 digits, which only Python has
        scores = np.array([float(result["score"]) for result in results])
        boxes = np.array([list(map(float, result["bbox"])) for result in results])
    return image_ids, category_ids, boxes.astype(np.float64), scores.astype(np.float64)


_KINDS = re.compile("ii[if][if]")  # NumPy's: whole numbers, and two that may have a fraction


def _bad_result(results: Sequence[dict], source: str, first: int) -> InputError | None:
    for number, result in enumerate(results, start=first):
        if not isinstance(result, dict):
            return InputError(
                f"{source}: detection {number} is {quoted(result)}, not a COCO result: use a "
                "dictionary with image_id, category_id, bbox and score."
            )
        for field, valid, what in (
            ("image_id", _is_id, "a whole number"),
            ("category_id", _is_id, "a whole number"),
            ("bbox", _is_box, "a list of four numbers x, y, width, height"),
            ("score", _is_number, "a number"),
        ):
            if field not in result:
                return InputError(f"{source}: detection {number} has no '{field}': add it.")
            if not valid(result[field]):
                return InputError(
                    f"{source}: detection {number} has {field} {quoted(result[field])}: it must "
                    f"be {what}."
                )
    return None


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023
    )


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


def _positions(ids: np.ndarray, known: np.ndarray, source: str, field: str) -> np.ndarray:
    places = np.searchsorted(known, ids)
    found = known[np.minimum(places, len(known) - 1)] if len(known) else np.full(len(ids), -1)
    wrong = found != ids
    rule = "is not in the ground truth: use the ground truth of these detections"
    _check(wrong, ids, source, field, rule)
    return places


def _check(wrong: np.ndarray, values: np.ndarray, source: str, field: str, rule: str) -> None:
    if wrong.any():
        number = int(np.flatnonzero(wrong)[0])
        value = values[number].tolist()
        raise InputError(f"{source}: detection {number} has {field} {value}, which {rule}.")
