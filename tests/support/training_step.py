"""A recorded training step of the reference implementation and the same step here."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.solver import build_lr_scheduler
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from boxmask_vid.checkpoint import convert_mmtracking
from boxmask_vid.engine.optimizer import build_vid_optimizer
from boxmask_vid.structures import BoxMasks
from support.golden import by_size_first
from support.tiny_models import tiny_cfg


class TrainingStep:
    """A recorded training step and ours, with the recorded samples fed in.

    Pairs of numbers are ours and the recorded one, by our names of losses or parameters.

    Attributes:
        losses: pairs.
        labels_agree: whether anchors and proposals have the recorded labels before sampling.
    """

    NAMES = {
        "loss_rpn_cls": "loss_rpn_cls",
        "loss_rpn_loc": "loss_rpn_bbox",
        "loss_cls": "loss_cls",
        "loss_box_reg": "loss_bbox",
        "loss_boxmask": "loss_mask",
    }

    def __init__(self, name: str, recorded: dict, model: torch.nn.Module, dtype: torch.dtype):
        self.recorded, self.model = recorded, model.to(dtype).train()
        self.num_truth = len(recorded["gt_bboxes"])
        self.labels_agree = []
        rpn, heads = self.model.proposal_generator, self.model.roi_heads
        rpn._subsample_labels = types.MethodType(self._sampled_anchors(), rpn)
        heads._sample_proposals = types.MethodType(self._sampled_proposals(), heads)
        with EventStorage():
            losses = self.model([self._sample(name, dtype)])
        prefix = "loss64" if dtype == torch.float64 else "loss"
        self.losses = {
            ours: (loss.item(), float(recorded[f"{prefix}/{self.NAMES[ours]}"].item()))
            for ours, loss in losses.items()
        }
        sum(losses.values()).backward()
        self.parameters = dict(self.model.named_parameters())

    def _sample(self, name: str, dtype: torch.dtype) -> dict:
        recorded = self.recorded
        height, width = (int(side) for side in recorded["img_shape"][:2])
        instances = Instances((height, width))
        instances.gt_boxes = Boxes(torch.from_numpy(recorded["gt_bboxes"]))
        instances.gt_classes = torch.from_numpy(recorded["gt_labels"])
        if name == "boxmask":
            masks = recorded["gt_masks"]
            instances.gt_masks = BoxMasks.from_bitmaps(list(masks), masks.shape[1:])
        frames = np.concatenate([recorded["img"], recorded["ref_img"]])[:, :, :height, :width]
        key, *references = torch.from_numpy(frames).to(dtype)
        return {"image": key, "instances": instances, "reference_images": references}

    def _sampled_anchors(self):
        """Replacement for the drawing of anchors that checks the labels drawn from."""
        recorded, step = self.recorded, self
        flat = torch.full((len(recorded["rpn_inside"]),), -1)
        flat[recorded["rpn_sampled_pos"]] = 1
        flat[recorded["rpn_sampled_neg"]] = 0
        inside = by_size_first(torch.from_numpy(recorded["rpn_inside"]))
        drawn = by_size_first(flat)[inside]
        expected = by_size_first(torch.from_numpy(recorded["rpn_gt_inds"]))[inside].clamp(max=1)

        def subsample(self, label: torch.Tensor) -> torch.Tensor:
            step.labels_agree.append(torch.equal(label.long(), expected))
            return label.copy_(drawn)

        return subsample

    def _sampled_proposals(self):
        """Replacement for the drawing of proposals; truth comes first there and last here."""
        recorded, step, count = self.recorded, self, self.num_truth

        def sample(self, matched: torch.Tensor, labels: torch.Tensor, classes: torch.Tensor):
            proposals = len(matched) - count
            assigned = torch.where(labels == 1, matched + 1, 0)[:proposals]
            expected = torch.from_numpy(recorded["rcnn_gt_inds"])
            step.labels_agree.append(torch.equal(assigned, expected))
            both = np.concatenate([recorded["rcnn_sampled_pos"], recorded["rcnn_sampled_neg"]])
            index = torch.from_numpy(both)
            index = torch.where(index < count, proposals + index, index - count)
            class_of_box = classes[matched].clone()
            class_of_box[labels == 0] = self.num_classes
            return index, class_of_box[index]

        return sample

    def gradient_norms(self) -> dict[str, tuple[float, float]]:
        """Pairs of norms, NaN where there is no gradient."""
        norms = {}
        for ours, recorded in self._by_our_names("grad_norms").items():
            if ours not in self.parameters:  # Detectron2 freezes norms by making them buffers
                assert np.isnan(recorded)
                continue
            gradient = self.parameters[ours].grad
            norms[ours] = (float("nan") if gradient is None else gradient.norm().item(), recorded)
        assert set(norms) == set(self.parameters)
        return norms

    def total_gradient_norm(self) -> tuple[float, float]:
        gradients = [p.grad.double().norm() for p in self.parameters.values() if p.grad is not None]
        return torch.stack(gradients).norm().item(), float(self.recorded["total_grad_norm"])

    def changes_of_a_step(self, name: str) -> dict[str, tuple[float, float]]:
        """Pairs of norms of the changes of parameters by the first step of the optimizer."""
        opts = ["SOLVER.IMS_PER_BATCH", 1, "SOLVER.BASE_LR", self.recorded["lr"].item() * 3]
        cfg = tiny_cfg(name, *opts)
        before = copy.deepcopy(self.parameters)  # with their gradients, which are clipped in place
        optimizer = build_vid_optimizer(cfg, self.model)
        build_lr_scheduler(cfg, optimizer)
        rates = {group["lr"] for group in optimizer.param_groups}
        assert list(rates) == [pytest.approx(self.recorded["lr"].item(), rel=1e-9)]
        optimizer.step()
        changes = {
            ours: ((self.parameters[ours] - before[ours]).norm().item(), recorded)
            for ours, recorded in self._by_our_names("delta_norms").items()
            if ours in before
        }
        for key, parameter in self.parameters.items():
            parameter.data, parameter.grad = before[key].data, before[key].grad
        return changes

    def _by_our_names(self, key: str) -> dict[str, float]:
        """A recorded number of every parameter, by our names."""
        values = {}
        for theirs, value in zip(self.recorded["grad_names"], self.recorded[key], strict=True):
            # twelve anchors, four values: any shape that the converter can reorder
            (ours, *_) = convert_mmtracking({str(theirs): torch.zeros(48)}) or (None,)
            if ours:
                values[ours] = float(value)
        return values


def run_step(
    name: str,
    e2e: Path,
    trained_model: Callable[..., torch.nn.Module],
    dtype: torch.dtype,
    rounding: int | None = None,
) -> TrainingStep:
    """A training step; ``rounding`` is the seed of noise on images and recorded features."""
    recorded = dict(np.load(e2e / f"{name}_train.npz"))
    model = trained_model(name)
    if rounding is not None:
        generator = torch.Generator().manual_seed(rounding)

        def noisy(tensor: torch.Tensor, relative: float) -> torch.Tensor:
            return tensor * (1 + relative * torch.randn(tensor.shape, generator=generator))

        features = torch.from_numpy(np.concatenate([recorded["feat"], recorded["ref_feat"]]))
        rounded = noisy(features, 1e-7)

        def replace_values(module: torch.nn.Module, args: tuple, features: dict) -> dict:
            return {key: maps + (rounded - maps).detach() for key, maps in features.items()}

        model.backbone.register_forward_pre_hook(lambda module, args: (noisy(args[0], 1e-6),))
        model.backbone.register_forward_hook(replace_values)
    return TrainingStep(name, recorded, model, dtype)


def worst(pairs: dict[str, tuple[float, float]], floor: float = 0.0) -> tuple[float, str]:
    """The largest relative difference and its name; values below ``floor`` are rounding."""
    return max(
        (abs(ours - theirs) / abs(theirs), name)
        for name, (ours, theirs) in pairs.items()
        if abs(theirs) > floor
    )
