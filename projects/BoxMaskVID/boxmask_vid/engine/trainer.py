"""Training and evaluation."""

from __future__ import annotations

import functools
import logging
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.engine import DefaultTrainer, HookBase, create_ddp_model, defaults
from detectron2.evaluation import COCOEvaluator, DatasetEvaluator
from detectron2.utils import comm
from torch.utils.data import DataLoader

from ..checkpoint import VIDCheckpointer
from ..data import TimedLoader, build_vid_test_loader, build_vid_train_loader
from ..data.datasets import class_names, is_of_videos
from ..errors import InputError
from ..evaluation import DetectionLog, VIDEvaluator
from .hooks import SaveOnInterrupt, SeedEachIteration
from .optimizer import build_vid_optimizer

logger = logging.getLogger(__name__)


class Trainer(DefaultTrainer):
    """``DefaultTrainer`` with the loaders, evaluator, optimizer and checkpoints of BoxMaskVID.

    With ``SEED`` >= 0 a training that is interrupted and resumed computes what it would have
    computed without the interruption.
    """

    def __init__(self, cfg: CfgNode) -> None:
        check_datasets(cfg, cfg.DATASETS.TRAIN)
        with _data_parallel_on(cfg.MODEL.DEVICE):
            super().__init__(cfg)
        # gradients of the last step take no memory while the next one looks at its frames
        self._trainer.zero_grad_before_forward = True

    def build_hooks(self) -> list[HookBase]:
        # the first place where the parent has made a checkpointer and not used it yet
        self.checkpointer = VIDCheckpointer(
            self.model, self.cfg.OUTPUT_DIR, trainer=weakref.proxy(self)
        )
        hooks = super().build_hooks()
        if self.cfg.SEED >= 0:
            hooks.append(SeedEachIteration(self.cfg.SEED))
        if comm.get_world_size() == 1:
            hooks.append(SaveOnInterrupt())
        return hooks

    def resume_or_load(self, resume: bool = True) -> None:
        """As the parent; the data continue where they stopped, too."""
        super().resume_or_load(resume)
        self.data_loader.dataset.sampler.first_batch = self.start_iter

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
        return build_vid_optimizer(cfg, model)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> DataLoader:
        return build_vid_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> TimedLoader:
        return TimedLoader(build_vid_test_loader(cfg, dataset_name))

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, log: DetectionLog | None = None
    ) -> DatasetEvaluator:
        """
        Args:
            cfg: the config.
            dataset_name: a registered data set; one without videos gets Detectron2's evaluator.
            log: where detections in videos are put as they come.

        Raises:
            InputError: if a scorer is not known.
        """
        folder = inference_folder(cfg, dataset_name)
        if not is_of_videos(dataset_name):
            return COCOEvaluator(dataset_name, tasks=("bbox",), output_dir=folder)
        scorers, draws = cfg.TEST.VID.SCORERS, cfg.TEST.VID.BOOTSTRAP_DRAWS
        return VIDEvaluator(dataset_name, folder, scorers=scorers, draws=draws, log=log)

    @classmethod
    def test(
        cls, cfg: CfgNode, model: torch.nn.Module, evaluators: list[DatasetEvaluator] | None = None
    ) -> dict:
        """As the parent.

        Raises:
            InputError: if a data set's classes are not those of the model.
        """
        check_datasets(cfg, cfg.DATASETS.TEST)
        return super().test(cfg, model, evaluators)


def inference_folder(cfg: CfgNode, dataset_name: str) -> str:
    """Where the detections in a data set go."""
    return f"{cfg.OUTPUT_DIR}/inference/{dataset_name}"


def check_datasets(cfg: CfgNode, names: Sequence[str]) -> None:
    """
    Raises:
        InputError: if a data set is not registered, or its classes are not those of the model.
    """
    for name in names:
        if name not in DatasetCatalog:
            known = ", ".join(each for each in DatasetCatalog if "vid" in each)
            raise InputError(
                f"There is no data set '{name}' (registered for video: {known}): correct the name, "
                "or register it (train_net.py --dataset NAME JSON IMAGES)."
            )
        classes, expected = class_names(name), list(cfg.MODEL.VID.CLASS_NAMES)
        if len(classes) != cfg.MODEL.ROI_HEADS.NUM_CLASSES:
            raise InputError(
                f"Data set '{name}' has {len(classes)} classes, MODEL.ROI_HEADS.NUM_CLASSES is "
                f"{cfg.MODEL.ROI_HEADS.NUM_CLASSES}: add 'MODEL.ROI_HEADS.NUM_CLASSES "
                f"{len(classes)}'."
            )
        if expected and classes != expected:
            raise InputError(
                f"Data set '{name}' has the classes {classes}, the model has {expected} "
                "(MODEL.VID.CLASS_NAMES): use the config and the data set that belong together, or "
                "add 'MODEL.VID.CLASS_NAMES ()' to train on new classes."
            )


@contextmanager
def _data_parallel_on(device: str) -> Iterator[None]:
    """Let ``DefaultTrainer`` wrap a model on the CPU, where DDP refuses device ids."""
    if device != "cpu":
        yield
        return
    wrap = functools.partial(create_ddp_model, device_ids=None)
    with mock.patch.object(defaults, "create_ddp_model", wrap):
        yield
