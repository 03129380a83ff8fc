"""Temporal RoI Align with as little arithmetic as possible.

RoIAlign and the 3x3 embedding convolution are linear, so neither the similarity of RoI cells nor
the embedding of what is similar is computed from RoI features: both are interpolated, the one
from products of map with map, the other from projections of the maps, which a reference frame
needs once.

A frame spends 1.3 s in it, 14.6 s in the formulation of the paper (docs/SPEED.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from detectron2.layers import ROIAlign
from torch import nn
from torch.utils.checkpoint import checkpoint

from ...precision import at_least_float32, without_autocast
from ..layers import TemporalROIAlign
from .conv_projections import ConvProjections
from .frame_features import FrameFeatures
from .largest_sums import LargestSums
from .linear import linear
from .neighbours import Neighbours, arange_like
from .roi_align_weights import roi_align_weights
from .sparse_row_sum import SparseRowSum


class TemporalROIAlignFast(TemporalROIAlign):
    """``TemporalROIAlign`` that interpolates instead of comparing and convolving RoI cells.

    R key RoIs, C channels, P pooler size, T reference frames of h_t x w_t cells.

    Attributes:
        spatial_scale, sampling_ratio: those of the RoIAlign that pools the key RoIs.
        neighbours: of the cells of a RoI.
    """

    spatial_scale: float
    sampling_ratio: int
    neighbours: Neighbours

    # RoI cells that are embedded and mixed together: few enough for the cache of a CPU, many for a
    # GPU.
    CELLS_AT_ONCE = {"cpu": 2**11, "cuda": 2**20}
    MISSING_AT_ONCE = 2**6  # cells whose projections are computed together

    @classmethod
    def replace(cls, paper: nn.Module, roi_align: ROIAlign) -> None:
        """Make a ``TemporalROIAlign`` one that interpolates as a RoIAlign does."""
        paper.__class__ = cls
        paper.spatial_scale = roi_align.spatial_scale
        paper.sampling_ratio = roi_align.sampling_ratio
        device = next((parameter.device for parameter in paper.parameters()), None)
        paper.neighbours = Neighbours(roi_align.output_size[0]).to(device)

    def encode(self, feature_maps: torch.Tensor) -> list[FrameFeatures]:  # type: ignore[override]
        """Key and reference frames in the form that :meth:`forward` takes.

        In training without projections: nothing is used twice, and they take most of the memory.

        Args:
            feature_maps: (N, C, h, w).
        """
        rows = feature_maps.permute(0, 2, 3, 1).flatten(1, 2)  # (N, h * w, C)
        projections: Sequence[ConvProjections | None] = [None] * len(feature_maps)
        if self.num_heads and not self.training:
            projections = self._conv_projections(rows)
        precise = at_least_float32(rows)
        norm = precise.norm(dim=2).clamp(min=1e-12)
        unit = precise / norm[:, :, None]
        height, width = feature_maps.shape[2:]
        return [
            FrameFeatures((height, width), *frame)
            for frame in zip(unit, norm, projections, strict=True)
        ]

    def _conv_projections(self, rows: torch.Tensor) -> list[ConvProjections]:
        """Of N maps (N, L, C): on a CPU none yet; a GPU would wait to know what is missing."""
        reduced = torch.is_autocast_enabled(rows.device.type) or rows.dtype.itemsize < 4
        if rows.device.type != "cpu" or torch.is_grad_enabled() or reduced:
            taps = self._taps()  # one frame at a time: one that is kept does not keep the others
            return [ConvProjections(self._project(frame, taps)) for frame in rows]
        count, channels = rows.shape[1:]
        return [ConvProjections.empty(count, channels, rows.dtype) for _ in rows]

    @torch.no_grad()
    def _compute_missing(self, cells: Sequence[tuple[FrameFeatures, torch.Tensor]]) -> None:
        """Compute the projections of frames at positions where they are kept, but not there yet."""
        taps = None
        for frame, position in cells:
            if frame.conv_projections is None:
                continue
            for missing in frame.conv_projections.missing(position).split(self.MISSING_AT_ONCE):
                if not len(missing):
                    continue
                taps = self._taps() if taps is None else taps
                # always as many, so that numbers do not depend on the frames before
                rows = frame.unit.new_zeros(self.MISSING_AT_ONCE, frame.unit.shape[1])
                rows[: len(missing)] = frame.unit[missing] * frame.norm[missing, None]
                projections = self._project(rows, taps)[: len(missing) * 9]
                frame.conv_projections.add(missing, projections)

    def _taps(self) -> torch.Tensor:
        """(9 * C, C), the weights of the embedding convolution by tap."""
        return self.embed.weight.permute(2, 3, 0, 1).flatten(0, 2)

    def _project(self, rows: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        """Features (..., L, C) and taps -> their projections (..., L * 9, C)."""
        multiply = F.linear if self.training else linear
        return multiply(rows, kernel).unflatten(-1, (9, -1)).flatten(-3, -2)

    def forward(  # type: ignore[override]  # frames in the form of encode
        self,
        roi_features: torch.Tensor,
        boxes: torch.Tensor,
        key: FrameFeatures,
        references: Sequence[FrameFeatures],
    ) -> torch.Tensor:
        """
        Args:
            roi_features: (R, C, P, P), RoIAlign of the key frame.
            boxes: (R, 4) RoIs in pixels.
            key: the key frame, with the cells that pad a batch.
            references: T frames, without cells that only pad a batch.

        Returns:
            (R, C, P, P).
        """
        rois, channels, size, _ = roi_features.shape
        cells = roi_features.permute(0, 2, 3, 1).flatten(0, 2)  # (R * P * P, C)
        position, weight = roi_align_weights(
            boxes,
            map_size=key.size,
            output_size=size,
            spatial_scale=self.spatial_scale,
            sampling_ratio=self.sampling_ratio,
        )
        with without_autocast(cells):
            precise = cells.to(key.unit.dtype)
            similar = self.most_similar(precise, position, weight, key, references)
            limit = self.CELLS_AT_ONCE.get(cells.device.type, self.CELLS_AT_ONCE["cuda"])
            if self.training:
                limit = len(cells)  # each part would project the maps again
            step = max(limit // size**2, 1)  # RoIs
            mixed = torch.empty_like(precise)
            if self.num_heads:
                indices = [index for index, _ in similar]
                frames = zip([key, *references], [position, *indices], strict=True)
                self._compute_missing(list(frames))
            for start in range(0, max(rois, 1), step):
                part = slice(start * size**2, (start + step) * size**2)
                mixed[part] = self._aggregate(
                    precise[part],
                    position[start : start + step],
                    weight[start : start + step],
                    key,
                    [(index[part], share[part]) for index, share in similar],
                    references,
                )
        return mixed.to(cells.dtype).view(rois, size, size, channels).permute(0, 3, 1, 2)

    def _aggregate(
        self,
        cells: torch.Tensor,
        position: torch.Tensor,
        weight: torch.Tensor,
        key: FrameFeatures,
        similar: Sequence[tuple[torch.Tensor, torch.Tensor]],
        references: Sequence[FrameFeatures],
    ) -> torch.Tensor:
        """(N, C), the cells of some RoIs mixed with what is similar; see :meth:`most_similar`."""
        if self.num_heads:
            rows = self._rows(key, position, weight).without_zeros()
            own = _recomputed(self._embedded, rows, key)
            attention = self._attention(own, similar, references)
        else:
            attention = cells.new_zeros(len(references) + 1, len(cells), 1).softmax(dim=0)
        return self._mix(cells, attention, similar, references)

    def most_similar(
        self,
        cells: torch.Tensor,
        position: torch.Tensor,
        weight: torch.Tensor,
        key: FrameFeatures,
        references: Sequence[FrameFeatures],
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The K most similar cells of each reference frame for each RoI cell (Eq. 1-3).

        By cosine similarity; an all-zero cell is similar to nothing (cosine 0).

        Args:
            cells: (N, C), N = R * P * P.
            position, weight: (R, P, P, n), what of the key frame RoIAlign makes the cells of.
            key, references: see :meth:`forward`.

        Returns:
            for each reference frame position and softmax of the cosines, (N, K) each.
        """
        if not references or not len(cells):
            return [(cells.new_empty(0, 1, dtype=torch.int32), cells[:, :1]) for _ in references]
        # Scaling by the norm of the RoI cell does not change which are its best.
        position, weight = position.flatten(0, 2), weight.flatten(0, 2)
        weight = weight * key.norm.detach()[position]
        sums = LargestSums(position, weight)
        norm = cells.norm(dim=1, keepdim=True).clamp(min=1e-12)
        multiply = F.linear if self.training else linear
        similar = []
        for frame in references:
            with torch.no_grad():
                product = multiply(key.unit, frame.unit)
                best, index = sums.of(product, self.num_most_similar)
            if cells.requires_grad or frame.unit.requires_grad:
                best = _recomputed(_products, cells, frame.unit, index)
            similar.append((index.int(), (best / norm).softmax(dim=1)))
        return similar

    def _attention(
        self,
        own: torch.Tensor,
        similar: Sequence[tuple[torch.Tensor, torch.Tensor]],
        references: Sequence[FrameFeatures],
    ) -> torch.Tensor:
        """(T + 1, N, heads) attention over the key frame and its references (Eq. 4-5).

        Args:
            own: (N, C) embedding of the key RoIs.
            similar, references: see :meth:`most_similar`.
        """
        scores = [self._scores(own, own)]
        for (index, weight), frame in zip(similar, references, strict=True):
            rows = self._rows(frame, index, weight)
            scores.append(_recomputed(self._scores_of, own, rows, frame))
        scale = (own.shape[1] / self.num_heads) ** -0.5
        return (torch.stack(scores) * scale).softmax(dim=0)

    def _scores_of(
        self, own: torch.Tensor, rows: SparseRowSum, frame: FrameFeatures
    ) -> torch.Tensor:
        return self._scores(own, self._embedded(rows, frame))

    def _scores(self, own: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """(N, heads) products of embeddings (N, C)."""
        return (own * embedded).unflatten(1, (self.num_heads, -1)).sum(dim=2)

    def _rows(
        self, frame: FrameFeatures, position: torch.Tensor, weight: torch.Tensor
    ) -> SparseRowSum:
        """Rows of a frame's projections that sum up to the embedding of RoI cells."""
        if frame.conv_projections is not None:
            position = frame.conv_projections.place(position)
        return self.neighbours.rows(position, weight)

    def _embedded(self, rows: SparseRowSum, frame: FrameFeatures) -> torch.Tensor:
        """(N, C) embedding of RoIs whose cells are made of those of a frame."""
        if frame.conv_projections is None:
            table = self._project(frame.unit * frame.norm[:, None], self._taps())
        else:
            table = frame.conv_projections.table
        embedded = rows.of(table)
        assert self.embed.bias is not None
        return embedded + at_least_float32(self.embed.bias)

    def _mix(
        self,
        cells: torch.Tensor,
        attention: torch.Tensor,
        similar: Sequence[tuple[torch.Tensor, torch.Tensor]],
        references: Sequence[FrameFeatures],
    ) -> torch.Tensor:
        """(N, C), the frames weighted with their attention (Eq. 6)."""
        heads = attention.shape[2]
        mixed = cells.unflatten(1, (heads, -1)) * attention[0, :, :, None]
        for (index, weight), frame, share in zip(similar, references, attention[1:], strict=True):
            # (N, heads, K) entries: a sum for every cell and head
            entries = index[:, None] * heads + arange_like(heads, index)[:, None]
            norm = F.embedding(index, frame.norm[:, None]).squeeze(-1)
            weights = (weight * norm)[:, None] * share[:, :, None]
            rows = SparseRowSum.over_last(entries, weights)
            mixed = mixed + rows.of(frame.unit.reshape(-1, mixed.shape[2])).view_as(mixed)
        return mixed.flatten(1)


def _products(cells: torch.Tensor, rows: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """(N, K) of cells (N, C) with the rows (L, C) that an index (N, K) names."""
    return (cells[:, None] @ F.embedding(index, rows).transpose(1, 2)).squeeze(1)


def _recomputed(function: Callable[..., torch.Tensor], *args: object) -> torch.Tensor:
    """``function(*args)``; in training nothing within is kept, the gradient computes it again."""
    if not torch.is_grad_enabled():
        return function(*args)
    return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
