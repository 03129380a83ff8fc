"""Training and evaluation."""

from __future__ import annotations

import logging
import weakref
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.engine import (
    DefaultTrainer,
    HookBase,
    TrainerBase,
    create_ddp_model,
)
from detectron2.engine.hooks import EvalHook, PeriodicCheckpointer
from detectron2.evaluation import COCOEvaluator, DatasetEvaluator, verify_results
from detectron2.utils import comm
from detectron2.utils.events import EventWriter
from detectron2.utils.logger import setup_logger
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from ..checkpoint import VIDCheckpointer, fetch_once
from ..checkpoint.resuming import (
    FINAL,
    METRICS,
    begin_training,
    newest_checkpoint,
    refuse_to_replace_weights,
)
from ..data import TimedLoader, build_vid_test_loader, build_vid_train_loader
from ..data.datasets import is_of_videos
from ..errors import InputError, writing
from ..evaluation import DetectionLog, VIDEvaluator
from .checkpoint_hooks import KeepNewest, SaveBest, WarnOfDivergence
from .checks import check_datasets, check_frozen, check_numbers
from .hooks import SeedEachIteration
from .interrupts import SaveOnInterrupt, StoppableLoader
from .optimizer import build_vid_optimizer, check_shapes, has_lost_state
from .resume import (
    check_settings,
    forget_iterations,
    restart_schedule,
    settings_of,
    without_parameters,
)
from .training_loop import TrainingLoop, amp_precision, scaled_to_processes
from .validation import (
    DEFAULT_METRIC,
    EarlyStop,
    StopWithoutImprovement,
    ValidationLoss,
    check_metric,
)

logger = logging.getLogger(__name__)


class Trainer(DefaultTrainer):
    """``DefaultTrainer`` with the loaders, evaluator, optimizer and checkpoints of BoxMaskVID.

    With ``SEED`` >= 0 a training that is interrupted and resumed computes what it would have
    computed without the interruption. Raises the errors of :func:`check_datasets` and
    :func:`.checks.check_numbers`, and InputError if there is no such schedule.
    """

    def __init__(self, cfg: CfgNode) -> None:
        check_datasets(cfg, cfg.DATASETS.TRAIN)
        check_numbers(cfg)
        # The parent's constructor knows neither data-parallel training on the CPU nor other
        # checkpointers; these are its parts.
        TrainerBase.__init__(self)
        if not logging.getLogger("detectron2").isEnabledFor(logging.INFO):
            setup_logger()
        cfg, precision = scaled_to_processes(cfg), amp_precision(cfg)
        model = self.build_model(cfg)
        optimizer = self.build_optimizer(cfg, model)
        loader = self.build_train_loader(cfg)
        # on the CPU, DistributedDataParallel refuses device ids
        on_cpu = cfg.MODEL.DEVICE == "cpu"
        devices = {"device_ids": None if on_cpu else [torch.cuda.current_device()]}
        model = create_ddp_model(model, broadcast_buffers=False, **devices)
        self._trainer = TrainingLoop(
            *(model, loader, optimizer),
            batches=cfg.SOLVER.ACCUMULATE,
            precision=precision,
            device="cpu" if on_cpu else "cuda",
        )
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.checkpointer = VIDCheckpointer(model, cfg.OUTPUT_DIR, trainer=weakref.proxy(self))
        self.cfg, self.max_iter = cfg, cfg.SOLVER.MAX_ITER
        self.training_id, self._settings = "", settings_of(cfg)
        self.register_hooks(self.build_hooks())

    def build_hooks(self) -> list[HookBase]:
        solver, test = self.cfg.SOLVER, self.cfg.TEST
        hooks = super().build_hooks()
        if comm.is_main_process():
            period, keep = solver.CHECKPOINT_PERIOD, solver.CHECKPOINT_KEEP
            saving = KeepNewest(self.checkpointer, period, keep=keep)
            hooks = [saving if isinstance(h, PeriodicCheckpointer) else h for h in hooks]
            if test.BEST_METRIC:  # after the evaluation, before the writers
                hooks.insert(-1, SaveBest(self.checkpointer, test.EVAL_PERIOD, test.BEST_METRIC))
            hooks.insert(-1, WarnOfDivergence())
        if self.cfg.SEED >= 0:
            hooks.append(SeedEachIteration(self.cfg.SEED))
        evaluation = next(i for i, hook in enumerate(hooks) if isinstance(hook, EvalHook))
        metric = test.BEST_METRIC or (DEFAULT_METRIC if test.PATIENCE else "")
        # not only after hours, when it is computed
        if metric and comm.is_main_process() and (known := self._metric_names()):
            check_metric(metric, known)
        if test.PATIENCE:
            stop = StopWithoutImprovement(test.BEST_METRIC, test.PATIENCE, test.EVAL_PERIOD)
            hooks.insert(evaluation + 1, stop)
        if test.LOSS_PERIOD:
            hooks.insert(evaluation, ValidationLoss(self.cfg, test.LOSS_PERIOD))
        # when the step of an iteration is complete, but before it is evaluated
        hooks.insert(evaluation, SaveOnInterrupt())
        return hooks

    def _metric_names(self) -> list[str]:
        """Names of the metrics of an evaluation; empty where an evaluator knows them only then."""
        names: list[str] = []
        data_sets = self.cfg.DATASETS.TEST
        for data_set in data_sets:
            evaluator = self.build_evaluator(self.cfg, data_set)
            if not isinstance(evaluator, VIDEvaluator):
                return []
            prefix = f"{data_set}/" if len(data_sets) > 1 else ""
            names += [f"{prefix}{name}" for name in evaluator.metric_names()]
        return names

    def build_writers(self) -> list[EventWriter]:
        """Those of the parent; raise InputError if a file of theirs cannot be written."""
        with writing(Path(self.cfg.OUTPUT_DIR, METRICS)):
            return super().build_writers()

    def train(self) -> dict | None:
        """Train as the parent does, as long as the metric of ``TEST.PATIENCE`` improves."""
        try:
            return super().train()
        except EarlyStop:
            if self.cfg.TEST.EXPECTED_RESULTS and comm.is_main_process():
                verify_results(self.cfg, self._last_eval_results)
            return None

    def resume_or_load(self, resume: bool = True) -> None:
        """Load ``MODEL.WEIGHTS``, or continue from the newest whole checkpoint of ``OUTPUT_DIR``.

        The schedule is that of the config, and what changed is logged; the data continue where they
        stopped. Raises the errors of :func:`newest_checkpoint` and of the checkpointer, and
        InputError if the training cannot be continued with what changed.
        """
        folder = Path(self.cfg.OUTPUT_DIR)
        state = newest_checkpoint(folder) if resume else None
        if state is None:
            if resume:
                refuse_to_replace_weights(folder)
                logger.warning(f"No checkpoint to continue from in {folder}: starting anew.")
            check_frozen(self.cfg)
            fetch_once(self.cfg.MODEL.WEIGHTS)
            self.checkpointer.load(self.cfg.MODEL.WEIGHTS, checkpointables=[])
            self.training_id = begin_training(folder, again=resume)
        else:
            check_settings(state, self._settings)
            self.training_id = state.training
            self.checkpointer.load(str(state.path))
            self.start_iter = self.iter + 1
            if self.start_iter >= self.max_iter:
                logger.warning(
                    f"Nothing to train: {state.path} is of {self.start_iter} iterations, and "
                    f"SOLVER.MAX_ITER is {self.max_iter}; raise it to continue."
                )
            if self.start_iter == self.max_iter and state.path.stem != FINAL:
                self.checkpointer.save(FINAL)  # what it was stopped before
        if resume and comm.is_main_process():
            forget_iterations(folder, self.start_iter)
        self.data_loader.dataset.sampler.first_batch = self.start_iter * self.cfg.SOLVER.ACCUMULATE

    def state_dict(self) -> dict:
        state = super().state_dict()
        # after the last iteration, `iter` is one more
        state["iteration"] = min(self.iter, self.max_iter - 1)
        state["training"] = {"id": self.training_id, "settings": self._settings}
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the state of a training, with learning rates and decay as the config has them."""
        fresh = [without_parameters(group) for group in self.optimizer.param_groups]
        try:
            super().load_state_dict(state_dict)
            check_shapes(self.optimizer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"The optimizer of the checkpoint is not that of this config ({error}): undo what "
                "changed (MODEL.BACKBONE.FREEZE_AT, rates or decay of some layers), or "
                "start from its weights (MODEL.WEIGHTS, another OUTPUT_DIR)."
            ) from error
        # in float16 all steps may have been left out so far
        scaled = state_dict["_trainer"].get("grad_scaler")
        lost_steps = has_lost_state(self.optimizer) and not scaled
        if lost_steps or self.scheduler.last_epoch != self.iter + 1:
            raise InputError(
                f"The checkpoint after iteration {self.iter} has lost the state of its "
                f"{'optimizer' if lost_steps else 'schedule'}: remove it to continue from an older "
                "one, or start from its weights (MODEL.WEIGHTS, another OUTPUT_DIR)."
            )
        restart_schedule(self.optimizer, self.scheduler, fresh, max_iter=self.max_iter)

    def run_step(self) -> None:
        try:
            super().run_step()
        except FloatingPointError as error:
            raise InputError(
                f"The training diverged in iteration {self.iter} ({error}): lower SOLVER.BASE_LR "
                f"({self.cfg.SOLVER.BASE_LR}) or clip gradients (SOLVER.CLIP_GRADIENTS), and "
                "continue with --resume from the last checkpoint, or start over."
            ) from error

    @classmethod
    def build_model(cls, cfg: CfgNode) -> torch.nn.Module:
        """Build the model as the parent does; raise InputError if a part has an unknown name."""
        try:
            return super().build_model(cfg)
        except KeyError as error:
            if "registry" not in str(error):
                raise
            raise InputError(
                f"The model cannot be built ({error.args[0]}): correct that name in MODEL."
            ) from error

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
        return build_vid_optimizer(cfg, model)

    @classmethod
    def build_lr_scheduler(cls, cfg: CfgNode, optimizer: torch.optim.Optimizer) -> LRScheduler:
        try:
            return super().build_lr_scheduler(cfg, optimizer)
        except ValueError as error:
            raise InputError(
                f"The schedule cannot be built ({error}): correct SOLVER.LR_SCHEDULER_NAME "
                f"({cfg.SOLVER.LR_SCHEDULER_NAME}) or the other keys of SOLVER that it reads."
            ) from error

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> DataLoader:
        return build_vid_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> StoppableLoader:
        return StoppableLoader(TimedLoader(build_vid_test_loader(cfg, dataset_name)))

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, log: DetectionLog | None = None
    ) -> DatasetEvaluator:
        """Evaluator of a data set; one without videos gets Detectron2's.

        Detections in videos are appended to ``log``. Raises InputError if a scorer does not exist.
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
        """Evaluate as the parent does; raise InputError if the classes are not the model's."""
        check_datasets(cfg, cfg.DATASETS.TEST)
        return super().test(cfg, model, evaluators)


def inference_folder(cfg: CfgNode, dataset_name: str) -> str:
    """Folder of the detections in a data set."""
    return f"{cfg.OUTPUT_DIR}/inference/{dataset_name}"
