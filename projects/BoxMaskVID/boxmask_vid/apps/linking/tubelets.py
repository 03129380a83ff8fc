"""Tubelets: detections of one object in consecutive frames, after REPP.

Sabater, Montesano, Murillo, "Robust and efficient post-processing for video object detection",
IROS 2020, section III. REPP has a vector of class scores for each box; a COCO-style file has a box
and a score for each class, so that detections of different classes on the same spot are put
together first. N detections of one video, O objects in its frames, K classes.
"""

from __future__ import annotations

import numpy as np

from ...evaluation.matching import iou_matrix
from .link_classifier import LinkClassifier

SAME_OBJECT_IOU = 0.7  # of boxes of different classes in one frame
LINK_PROBABILITY = 0.5  # of two objects in consecutive frames, lowest that links
LOWEST_SCORE = 1e-4  # of a class that a tubelet adds to a frame


def link_tubelets(
    frames: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    classes: np.ndarray,
    *,
    classifier: LinkClassifier = LinkClassifier(),  # noqa: B008 - frozen
    smoothing: float = 0.6,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Give all detections of a tubelet its average class scores, and smooth their boxes.

    Objects of consecutive frames are linked in the order of their probability to be the same, each
    to one at most. A class that is missing in a frame counts as 0 and gets the average, too, with
    the box of the frame's best class: an object that is mistaken for another in a few frames is
    corrected.

    Args:
        frames: (N,) int, number of the frame in the video.
        boxes: (N, 4) x, y, w, h in pixels.
        scores: (N,).
        classes: (N,) int.
        classifier: gives the probability that two objects are the same.
        smoothing: standard deviation, in frames, of the Gaussian that smooths boxes; 0: none.

    Returns:
        frames, boxes, scores and classes of (M,) detections, ordered by frame, falling score.
    """
    if not len(frames):
        return frames, boxes, scores, classes
    labels, columns = np.unique(classes, return_inverse=True)
    objects, counts = _objects(frames, boxes, scores, columns)
    class_scores = np.zeros((len(counts), len(labels)))
    class_scores[objects, columns] = scores
    is_given = np.zeros(class_scores.shape, dtype=bool)
    is_given[objects, columns] = True
    best = np.lexsort((-scores, objects))[np.cumsum(counts) - counts]  # of each object
    object_boxes = np.asarray(boxes, dtype=np.float64)[best]
    class_boxes = np.repeat(object_boxes[:, None], len(labels), axis=1)
    class_boxes[objects, columns] = boxes
    object_frames = frames[best]
    following = _link(object_frames, object_boxes, class_scores, classifier)
    for tubelet in _chains(following):
        class_scores[tubelet] = class_scores[tubelet].mean(axis=0)
        if smoothing > 0 and len(tubelet) > 1:
            class_boxes[tubelet] = _smooth(class_boxes[tubelet], smoothing)
    rows, found = np.nonzero(is_given | (class_scores >= LOWEST_SCORE))
    new_scores = class_scores[rows, found]
    order = np.lexsort((-new_scores, object_frames[rows]))
    rows, found = rows[order], found[order]
    return object_frames[rows], class_boxes[rows, found], new_scores[order], labels[found]


def _objects(
    frames: np.ndarray, boxes: np.ndarray, scores: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) object of each detection, (O,) detections of each object; objects are numbered by frame.

    Going by falling score, a detection joins the first object of its frame that its box lies on and
    that has no detection of its class yet.
    """
    objects = np.empty(len(frames), dtype=int)
    order = np.lexsort((-scores, frames))
    _, starts = np.unique(frames[order], return_index=True)
    count = 0
    for members in np.split(order, starts[1:]):
        own = np.asarray(boxes[members], dtype=np.float64)
        near = iou_matrix(own, own) >= SAME_OBJECT_IOU
        seeds: dict[int, int] = {}  # place in the frame: object
        taken = set()
        for place, member in enumerate(members):
            column = columns[member]
            free = (
                earlier
                for earlier in np.flatnonzero(near[place, :place])
                if earlier in seeds and (seeds[earlier], column) not in taken
            )
            seed = next(free, place)
            if seed == place:
                seeds[place] = count
                count += 1
            objects[member] = seeds[seed]
            taken.add((seeds[seed], column))
    return objects, np.bincount(objects, minlength=count)


def _link(
    frames: np.ndarray, boxes: np.ndarray, class_scores: np.ndarray, classifier: LinkClassifier
) -> np.ndarray:
    """(O,) object of the next frame that an object is linked to, -1 for none."""
    following = np.full(len(frames), -1)
    numbers, starts = np.unique(frames, return_index=True)
    ends = [*starts[1:], len(frames)]
    for at in np.flatnonzero(np.diff(numbers) == 1):
        here, there = slice(starts[at], ends[at]), slice(starts[at + 1], ends[at + 1])
        probabilities = classifier.probabilities(
            boxes[here], class_scores[here], boxes[there], class_scores[there]
        )
        rows, columns = np.nonzero(probabilities >= LINK_PROBABILITY)
        order = np.argsort(-probabilities[rows, columns], kind="stable")
        linked: set[int] = set()
        for row, column in zip(rows[order] + starts[at], columns[order] + ends[at], strict=True):
            if following[row] < 0 and column not in linked:
                following[row] = column
                linked.add(column)
    return following


def _chains(following: np.ndarray) -> list[np.ndarray]:
    """Objects of each tubelet, in order of frames."""
    chains = []
    for head in np.setdiff1d(np.arange(len(following)), following):
        chain = [head]
        while following[chain[-1]] >= 0:
            chain.append(following[chain[-1]])
        chains.append(np.array(chain))
    return chains


def _smooth(boxes: np.ndarray, sigma: float) -> np.ndarray:
    """(L, K, 4) boxes along a tubelet; frames beyond its ends have no weight."""
    steps = np.arange(len(boxes))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / sigma) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("st,tkc->skc", weights, boxes)
