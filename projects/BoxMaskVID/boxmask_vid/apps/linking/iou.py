"""Overlap of all pairs of boxes."""

from __future__ import annotations

import numpy as np
from pycocotools.mask import iou


def iou_matrix(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(A, B) IoU of boxes (A, 4) with boxes (B, 4), x, y, width, height."""
    return iou(boxes, others, np.zeros(len(others), dtype=bool))
