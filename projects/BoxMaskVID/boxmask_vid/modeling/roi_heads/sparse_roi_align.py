"""RoIAlign as a product with a sparse matrix, several times faster on CPUs."""

from __future__ import annotations

import torch
from detectron2.layers import ROIAlign

from ..layers import WeightedRows, roi_align_weights


class SparseROIAlign(ROIAlign):
    """Detectron2's ``ROIAlign`` (aligned, square); on other devices than CPUs it is just that.

    N maps with C channels, M RoIs, P cells along each side of a RoI.
    """

    @classmethod
    def of(cls, roi_align: ROIAlign) -> SparseROIAlign:
        """One like another."""
        return cls(
            roi_align.output_size,
            roi_align.spatial_scale,
            roi_align.sampling_ratio,
            roi_align.aligned,
        )

    def forward(self, maps: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
        """
        Args:
            maps: (N, C, h, w).
            rois: (M, 5), number of the map and ``x1, y1, x2, y2`` in pixels.

        Returns:
            (M, C, P, P).
        """
        size, other = self.output_size
        possible = self.aligned and size == other and len(rois)
        if not possible or maps.device.type != "cpu" or torch.jit.is_tracing():
            return super().forward(maps, rois)
        channels, height, width = maps.shape[1:]
        precise = torch.promote_types(maps.dtype, torch.float32)
        position, weight = roi_align_weights(
            rois[:, 1:].to(precise),
            map_size=(height, width),
            output_size=size,
            spatial_scale=self.spatial_scale,
            sampling_ratio=self.sampling_ratio,
        )
        position = position + (rois[:, 0].int() * (height * width))[:, None, None, None]
        rows = WeightedRows.over_last(position, weight).without_zeros()
        cells = rows.of(maps.permute(0, 2, 3, 1).reshape(-1, channels).to(precise))
        cells = cells.view(-1, size, size, channels).permute(0, 3, 1, 2)
        return cells.to(maps.dtype)
