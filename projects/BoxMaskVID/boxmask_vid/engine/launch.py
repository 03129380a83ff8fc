"""Training and evaluation from the command line or a script."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import inference_on_dataset, print_csv_format, verify_results
from detectron2.utils import comm

from ..checkpoint import VIDCheckpointer, fetch_once
from ..checkpoint.provenance import model_provenance, sha256
from ..data import TimedLoader, build_vid_test_loader
from ..data.datasets import is_of_videos
from ..data.workers import lost_workers_explained
from ..errors import InputError
from ..evaluation import DetectionLog
from ..evaluation.tables import without_nan
from ..files import write_json
from .checks import check_evaluation
from .preparation import EVALUATION_CONFIG, TRAINING_CONFIG, write_config
from .processes import restarted_by_torchrun, run_in_processes
from .setup import setup
from .trainer import Trainer, inference_folder

logger = logging.getLogger(__name__)

METRICS_FILE = "evaluation.json"


def run(args: argparse.Namespace) -> None:
    """Train or evaluate as the command line says, in as many processes as it says.

    Under torchrun or srun this process is one of those that they have started. Raises the errors of
    :func:`main` and of :func:`.processes.run_in_processes`.
    """
    run_in_processes(
        main,
        (args,),
        num_gpus=args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
    )


def main(args: argparse.Namespace) -> dict | None:
    """Train or evaluate in one process; return the metrics, None where none were computed.

    Processes that torchrun has started again resume.
    """
    args.resume |= restarted_by_torchrun()
    cfg = setup(args)
    with lost_workers_explained():
        if args.eval_only:
            write_config(cfg, EVALUATION_CONFIG)
            return evaluate(cfg, resume=args.resume, detections=args.detections)
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        write_config(cfg, TRAINING_CONFIG)
        return trainer.train()


def evaluate(cfg: CfgNode, *, resume: bool = False, detections: str | None = None) -> dict:
    """Score ``MODEL.WEIGHTS`` on ``DATASETS.TEST``; the metrics also go to ``evaluation.json``.

    Detections are put on disk frame by frame, under ``OUTPUT_DIR/inference``.

    Args:
        cfg: config of the model and of the evaluation.
        resume: continue an evaluation that was interrupted; videos that it finished do not go
            through the model again.
        detections: path of COCO results to score instead of running the model.

    Returns:
        metrics by task, for several data sets by data set.

    Raises:
        InputError: if there are no weights, or they are not those of the model; if the evaluation
            to resume has another provenance; if the detections cannot be those of the data set.
    """
    check_evaluation(cfg, detections=detections)
    results = _run_on_test_sets(cfg, resume) if detections is None else _score_file(cfg, detections)
    if comm.is_main_process():
        path = Path(cfg.OUTPUT_DIR, METRICS_FILE)
        write_json(path, {name: without_nan(value) for name, value in results.items()})
        logger.info(f"Wrote {path}")
        verify_results(cfg, results)
    return results


def _run_on_test_sets(cfg: CfgNode, resume: bool) -> dict:
    fetch_once(cfg.MODEL.WEIGHTS)
    model = Trainer.build_model(cfg)
    VIDCheckpointer(model, require_all=True).load(cfg.MODEL.WEIGHTS)
    results = {}
    for name in cfg.DATASETS.TEST:
        log = None
        if is_of_videos(name):
            folder = Path(inference_folder(cfg, name))
            sha = sha256(MetadataCatalog.get(name).json_file)
            provenance = {**model_provenance(cfg), "data set (sha256)": sha}
            log = DetectionLog(folder, provenance, resume=resume)
        finished = () if log is None else log.image_ids
        loader = TimedLoader(build_vid_test_loader(cfg, name, finished=finished))
        evaluator = Trainer.build_evaluator(cfg, name, log)
        results[name] = inference_on_dataset(model, loader, evaluator)
        if comm.is_main_process():
            print_csv_format(results[name])
    return next(iter(results.values())) if len(results) == 1 else results


def _score_file(cfg: CfgNode, path: str) -> dict:
    if len(cfg.DATASETS.TEST) != 1 or not is_of_videos(cfg.DATASETS.TEST[0]):
        raise InputError(
            f"DATASETS.TEST is {cfg.DATASETS.TEST}, but --detections belong to one data set of "
            "videos: name that."
        )
    if not comm.is_main_process():
        return {}
    name = cfg.DATASETS.TEST[0]
    evaluator = Trainer.build_evaluator(cfg, name)
    image_ids = [record["image_id"] for record in DatasetCatalog.get(name)]
    results = evaluator.score(evaluator.read(path), np.array(image_ids))
    print_csv_format(results)
    return results
