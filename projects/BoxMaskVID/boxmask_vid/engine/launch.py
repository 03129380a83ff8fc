"""The main job: training, evaluation, or both."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.engine import launch
from detectron2.evaluation import verify_results
from detectron2.utils import comm

from ..checkpoint import VIDCheckpointer
from ..errors import BadInput
from .setup import setup
from .trainer import Trainer

logger = logging.getLogger(__name__)

METRICS_FILE = "evaluation.json"


def run(args: argparse.Namespace) -> None:
    """Train or evaluate as the command line says, in as many processes as it says."""
    launch(
        main,
        args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        args=(args,),
    )


def main(args: argparse.Namespace) -> dict | None:
    """What one process does.

    Returns:
        the metrics; None where none were computed.
    """
    cfg = setup(args)
    if args.eval_only:
        return evaluate(cfg)
    _check_start(cfg, args.resume)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


def evaluate(cfg: CfgNode) -> dict:
    """Score ``MODEL.WEIGHTS`` on ``DATASETS.TEST``; the metrics also go to ``evaluation.json``.

    Raises:
        BadInput: if there are no weights, or they are not those of the model.
    """
    if not cfg.MODEL.WEIGHTS:
        raise BadInput(
            "--eval-only has no weights to evaluate: add MODEL.WEIGHTS FILE (a training leaves "
            "model_final.pth in its OUTPUT_DIR)."
        )
    if not cfg.DATASETS.TEST:
        raise BadInput("DATASETS.TEST is empty: name the data sets to evaluate on.")
    model = Trainer.build_model(cfg)
    VIDCheckpointer(model, require_all=True).load(cfg.MODEL.WEIGHTS)
    results = Trainer.test(cfg, model)
    if comm.is_main_process():
        path = Path(cfg.OUTPUT_DIR, METRICS_FILE)
        path.write_text(json.dumps(results, indent=2) + "\n")
        logger.info(f"Wrote {path}")
        verify_results(cfg, results)
    return results


def _check_start(cfg: CfgNode, resume: bool) -> None:
    """
    Raises:
        BadInput: if layers would be frozen that never were trained.
    """
    if cfg.MODEL.WEIGHTS or (resume and VIDCheckpointer(None, cfg.OUTPUT_DIR).has_checkpoint()):
        return
    if cfg.MODEL.BACKBONE.FREEZE_AT > 0 or cfg.MODEL.VID.FREEZE_BN_STATISTICS:
        raise BadInput(
            "MODEL.WEIGHTS is empty, but parts of the backbone are frozen and would stay noise: "
            "add MODEL.WEIGHTS FILE (a backbone trained on ImageNet), or train everything with "
            "MODEL.BACKBONE.FREEZE_AT 0 MODEL.VID.FREEZE_BN_STATISTICS False."
        )
