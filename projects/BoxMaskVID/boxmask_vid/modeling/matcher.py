"""Matching of boxes with ground truth as the reference implementation does it."""

from __future__ import annotations

import torch
from detectron2.modeling.matcher import Matcher


class ReassigningMatcher(Matcher):
    """``Matcher`` whose low-quality matches need a minimum quality and re-assign the prediction.

    Detectron2 keeps a ground truth's best prediction positive however low their overlap is, and
    leaves it assigned to the ground truth that it overlaps most. Here a ground truth's best
    predictions (all ties) are assigned to it, if their quality reaches ``min_quality``; where two
    ground truths want the same prediction, the later one gets it.
    """

    def __init__(
        self,
        thresholds: list[float],
        labels: list[int],
        *,
        min_quality: float,
        ground_truth_appended: bool = False,
    ) -> None:
        """
        Args:
            thresholds, labels: see ``Matcher``.
            min_quality: lowest quality of a low-quality match.
            ground_truth_appended: the last M of the N predictions are the M ground truths
                themselves. They match themselves and are nobody's best prediction.
        """
        super().__init__(thresholds, labels, allow_low_quality_matches=False)
        self.min_quality = min_quality
        self.ground_truth_appended = ground_truth_appended

    def __call__(self, match_quality_matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            match_quality_matrix: (M, N) of M ground truths and N predictions.

        Returns:
            (N,) index of the matched ground truth and (N,) int8 label of every prediction.
        """
        matches, labels = super().__call__(match_quality_matrix)
        num_truths, num_predictions = match_quality_matrix.shape
        if num_truths == 0:
            return matches, labels
        truths = torch.arange(num_truths, device=matches.device)
        if self.ground_truth_appended:
            num_predictions -= num_truths
            matches[num_predictions:], labels[num_predictions:] = truths, 1
        if num_predictions:
            quality = match_quality_matrix[:, :num_predictions]
            best = quality.amax(dim=1, keepdim=True)
            wanted = (quality == best) & (best >= self.min_quality)
            latest = torch.where(wanted, truths[:, None], -1).amax(dim=0)
            taken = latest >= 0
            matches[:num_predictions] = torch.where(taken, latest, matches[:num_predictions])
            labels[:num_predictions] = torch.where(taken, 1, labels[:num_predictions])
        return matches, labels
