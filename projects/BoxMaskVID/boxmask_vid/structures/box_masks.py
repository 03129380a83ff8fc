"""Masks that are filled boxes: the ground truth of the BoxMask head (arXiv 2210.06008, Sec. 3.2).

A filled box needs four integers, not a bitmap, and its RoIAlign is the product of two
one-dimensional profiles. :meth:`BoxMasks.crop_and_resize` therefore gives the pixels that
``BitMasks.crop_and_resize`` gives for the rasterised boxes, without ever drawing them.
"""

from __future__ import annotations

import numpy as np
import torch


class BoxMasks:
    """N filled boxes of one image; stands in for ``BitMasks`` in the field ``gt_masks``.

    Attributes:
        tensor: (N, 4) float, pixel rectangles ``x1, y1, x2, y2``: column ``x`` of row ``y`` is
            filled when ``x1 <= x < x2`` and ``y1 <= y < y2``.
        canvas_size: (height, width) of the zero-padded image that the masks live on, in pixels.
            It matters at the border only: RoIAlign interpolates towards the padding.
    """

    def __init__(self, tensor: torch.Tensor, canvas_size: tuple[int, int]) -> None:
        self.tensor = torch.as_tensor(tensor, dtype=torch.float32).reshape(-1, 4)
        self.canvas_size = (int(canvas_size[0]), int(canvas_size[1]))

    @classmethod
    def from_bitmaps(cls, bitmaps: list[np.ndarray], canvas_size: tuple[int, int]) -> BoxMasks:
        """The tight rectangles of bitmaps (each (H, W), any dtype); an empty one gives 0, 0, 0, 0.

        Transforms that keep boxes upright (resize, flip, crop) keep filled boxes filled boxes.
        """
        rectangles = np.zeros((len(bitmaps), 4), dtype=np.float32)
        for rectangle, bitmap in zip(rectangles, bitmaps, strict=True):
            columns, rows = np.flatnonzero(bitmap.any(axis=0)), np.flatnonzero(bitmap.any(axis=1))
            if len(columns):
                rectangle[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return cls(torch.from_numpy(rectangles), canvas_size)

    def to(self, device: torch.device | str) -> BoxMasks:
        return BoxMasks(self.tensor.to(device), self.canvas_size)

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, item: int | slice | torch.Tensor) -> BoxMasks:
        return BoxMasks(self.tensor[item], self.canvas_size)

    def __repr__(self) -> str:
        return f"BoxMasks({len(self)} boxes on {self.canvas_size})"

    def nonempty(self) -> torch.Tensor:
        """(N,) bool: which masks fill at least one pixel."""
        x1, y1, x2, y2 = self.tensor.unbind(1)
        return (x2 > x1) & (y2 > y1)

    def rasterize(self) -> torch.Tensor:
        """(N, H, W) bool bitmaps on the canvas."""
        height, width = self.canvas_size
        x = torch.arange(width, device=self.device)
        y = torch.arange(height, device=self.device)
        x1, y1, x2, y2 = self.tensor[:, :, None].unbind(1)
        columns, rows = (x >= x1) & (x < x2), (y >= y1) & (y < y2)
        return rows[:, :, None] & columns[:, None, :]

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """Training targets: RoIAlign (aligned, adaptive sampling) of mask i in box i, >= 0.5.

        Args:
            boxes: (N, 4) ``x1, y1, x2, y2`` in pixels of the network input.
            mask_size: side of the target.

        Returns:
            (N, mask_size, mask_size) bool.
        """
        assert len(boxes) == len(self), f"{len(boxes)} boxes for {len(self)} masks"
        if len(self) == 0:
            return torch.zeros((0, mask_size, mask_size), dtype=torch.bool, device=self.device)
        boxes = boxes.to(self.tensor)
        height, width = self.canvas_size
        # samples of a bin, as RoIAlign takes them for sampling ratio 0
        samples = torch.ceil((boxes[:, 2:] - boxes[:, :2]) / mask_size)
        most = max(int(samples.max()), 1)
        along_x, along_y = (
            _profiles(self.tensor[:, i::2], boxes[:, i::2], length, mask_size, samples[:, i], most)
            for i, length in enumerate((width, height))
        )
        return along_y[:, :, None] * along_x[:, None, :] >= 0.5


def _profiles(
    filled: torch.Tensor,
    interval: torch.Tensor,
    length: int,
    bins: int,
    samples: torch.Tensor,
    most: int,
) -> torch.Tensor:
    """One axis of RoIAlign: (N, bins) means of the linearly interpolated samples of every bin.

    ``filled`` (N, 2): start and end of the ones on an axis of ``length`` cells; ``interval``
    (N, 2): of the cut-out; ``samples`` (N,): of a bin, at most ``most``.
    """
    bin_size = (interval[:, 1] - interval[:, 0]) / bins
    sample = torch.arange(most, device=interval.device, dtype=interval.dtype)
    index = torch.arange(bins, device=interval.device, dtype=interval.dtype)
    position = (
        (interval[:, 0] - 0.5)[:, None, None]
        + (index * bin_size[:, None])[:, :, None]
        + ((sample + 0.5) * bin_size[:, None] / samples.clamp(min=1)[:, None])[:, None, :]
    )  # (N, bins, samples)
    counted = (position >= -1) & (position <= length) & (sample < samples[:, None])[:, None, :]
    position = position.clamp(min=0)
    low = position.floor().clamp(max=length - 1)
    high = (low + 1).clamp(max=length - 1)
    fraction = torch.where(low >= length - 1, torch.zeros_like(position), position - low)
    start, end = filled[:, 0, None, None], filled[:, 1, None, None]
    value = (1 - fraction) * ((low >= start) & (low < end)) + fraction * (
        (high >= start) & (high < end)
    )
    return (value * counted).sum(dim=2) / samples.clamp(min=1)[:, None]
