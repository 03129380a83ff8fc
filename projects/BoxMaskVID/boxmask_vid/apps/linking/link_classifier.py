"""Links between boxes of consecutive frames (Sabater et al., REPP, IROS 2020, III-B)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ...errors import InputError
from ...evaluation.matching import iou_matrix

MAX_STEPS = 500  # it converges after some tens
RIDGE = 1e-3  # keeps weights finite if the two classes are separable


@dataclass(frozen=True)
class LinkClassifier:
    """Weights of a logistic regression on features of two boxes; the defaults are set by hand."""

    iou: float = 6.0
    distance: float = -4.0  # of their centres, over their mean size, which is sqrt(w h)
    size: float = -2.0  # |log w1/w2| + |log h1/h2|
    classes: float = 3.0  # cosine of their class scores
    bias: float = -2.0  # added to the weighted sum

    def probabilities(
        self,
        boxes: np.ndarray,
        class_scores: np.ndarray,
        next_boxes: np.ndarray,
        next_class_scores: np.ndarray,
    ) -> np.ndarray:
        """(A, B) probabilities that boxes of a frame and of the next frame are the same object.

        Boxes are (A, 4) and (B, 4): x, y, w, h in pixels. Class scores are (A, K) and (B, K).
        """
        features = link_features(boxes, class_scores, next_boxes, next_class_scores)
        weights = [self.iou, self.distance, self.size, self.classes]
        return 1 / (1 + np.exp(-np.clip(features @ weights + self.bias, -500, 500)))

    @classmethod
    def fit(
        cls, videos: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
    ) -> LinkClassifier:
        """Learn the weights from ground truth: boxes of consecutive frames, of one track or not.

        Args:
            videos: columns of the A boxes of a video: frames (A,), boxes (A, 4) x, y, w, h, classes
                (A,), tracks (A,).

        Raises:
            InputError: if no two boxes of consecutive frames are of one track, or all are.
        """
        pairs = [pair for video in videos for pair in _pairs_of_video(*video)]
        features = np.concatenate([np.zeros((0, 4)), *(pair[0].reshape(-1, 4) for pair in pairs)])
        same = np.concatenate([np.zeros(0, dtype=bool), *(pair[1].reshape(-1) for pair in pairs)])
        if same.all() or not same.any():
            raise InputError(
                f"The links cannot be learned: {same.sum()} of {len(same)} pairs of boxes in "
                "consecutive frames are of the same track: use videos with pairs that are and "
                "pairs that are not."
            )
        return cls(*_logistic_regression(features, same).tolist())


def link_features(
    boxes: np.ndarray,
    class_scores: np.ndarray,
    next_boxes: np.ndarray,
    next_class_scores: np.ndarray,
) -> np.ndarray:
    """(A, B, 4): IoU, distance, size and classes, see :class:`LinkClassifier`."""
    extents, next_extents = np.maximum(boxes[:, 2:], 1e-6), np.maximum(next_boxes[:, 2:], 1e-6)
    sizes, next_sizes = np.sqrt(extents.prod(axis=1)), np.sqrt(next_extents.prod(axis=1))
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    next_centres = next_boxes[:, :2] + next_boxes[:, 2:] / 2
    distance = np.linalg.norm(centres[:, None] - next_centres, axis=2)
    ratio = np.abs(np.log(extents[:, None] / next_extents)).sum(axis=2)
    return np.stack(
        [
            iou_matrix(boxes, next_boxes),
            distance / ((sizes[:, None] + next_sizes) / 2),
            ratio,
            _unit(class_scores) @ _unit(next_class_scores).T,
        ],
        axis=2,
    )


def _pairs_of_video(
    frames: np.ndarray, boxes: np.ndarray, classes: np.ndarray, tracks: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features and whether the track is the same, for all pairs of boxes in consecutive frames."""
    one_hot = np.eye(int(classes.max(initial=0)) + 1)[classes]
    pairs = []
    for frame in np.unique(frames):
        here, there = np.flatnonzero(frames == frame), np.flatnonzero(frames == frame + 1)
        if len(there):
            features = link_features(boxes[here], one_hot[here], boxes[there], one_hot[there])
            pairs.append((features, tracks[here, None] == tracks[there]))
    return pairs


def _logistic_regression(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights and bias with the smallest ridge-regularised mean log loss."""
    inputs, wanted = torch.from_numpy(features), torch.from_numpy(labels).to(torch.float64)
    weights = torch.zeros(features.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=MAX_STEPS,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = inputs @ weights[:-1] + weights[-1]
        value = F.binary_cross_entropy_with_logits(logits, wanted)
        value = value + RIDGE / 2 * weights[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach().numpy()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
