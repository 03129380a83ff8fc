"""Box coding as the reference implementation does it."""

from __future__ import annotations

import torch
from detectron2.modeling.box_regression import Box2BoxTransform


class SymmetricBox2BoxTransform(Box2BoxTransform):
    """``Box2BoxTransform`` that clamps dw and dh on both sides, and decodes float64 in float64.

    Detectron2 clamps the upper side only and decodes everything in float32.
    """

    def apply_deltas(self, deltas: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """
        Args:
            deltas: (N, 4 k) ``dx, dy, dw, dh`` of k classes.
            boxes: (N, 4) ``x1, y1, x2, y2`` in pixels.

        Returns:
            (N, 4 k) boxes in pixels, at least float32.
        """
        deltas = deltas.to(torch.promote_types(deltas.dtype, torch.float32))
        boxes = boxes.to(deltas.dtype)[:, None]
        relative = deltas.unflatten(1, (-1, 4)) / deltas.new_tensor(self.weights)
        shift, log_scale = relative.split(2, dim=2)
        size = boxes[..., 2:] - boxes[..., :2]
        centre = boxes[..., :2] + 0.5 * size + shift * size
        half = 0.5 * size * log_scale.clamp(-self.scale_clamp, self.scale_clamp).exp()
        return torch.cat([centre - half, centre + half], dim=2).flatten(1)
