"""Seconds spent in the stages of a model."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from detectron2.modeling.meta_arch import GeneralizedRCNN

TIMED_METHODS = ("forward", "encode", "embed", "project", "aggregate")


class Stopwatch:
    """Measures the time of a model's stages, frame by frame.

    ``backbone``, ``rpn``, ``roi_align``, ``troi``, ``box_head`` and ``mask_head`` are the times of
    the modules of these names, ``rest`` is everything else.
    """

    def __init__(self, model: GeneralizedRCNN) -> None:
        self._device = model.device
        self._seconds: dict[str, float] = defaultdict(float)
        self._running = False
        heads = model.roi_heads
        stages = {
            "backbone": model.backbone,
            "rpn": model.proposal_generator,
            "roi_align": heads.box_pooler,
            "troi": heads.temporal_roi_align,
            "box_head": heads.box_head,
            "mask_head": heads.mask_head if heads.mask_on else None,
        }
        for stage, module in stages.items():
            for name in TIMED_METHODS:
                if hasattr(type(module), name):  # submodules belong to the object, not to its class
                    setattr(module, name, self._timed(stage, getattr(module, name)))

    def lap(self, run: Callable[[], Any]) -> dict[str, float]:
        """Seconds of a run: ``total``, and of each stage."""
        self._seconds.clear()
        start = self._now()
        run()
        total = self._now() - start
        rest = total - sum(self._seconds.values())
        return {"total": total, **self._seconds, "rest": rest}

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _timed(self, stage: str, function: Callable) -> Callable:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._running:  # a stage within a stage
                return function(*args, **kwargs)
            self._running = True
            start = self._now()
            try:
                return function(*args, **kwargs)
            finally:
                self._seconds[stage] += self._now() - start
                self._running = False

        return timed
