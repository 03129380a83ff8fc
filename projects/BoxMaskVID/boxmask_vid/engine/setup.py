"""Config and preparation of a process, from a command line."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog
from detectron2.engine import default_argument_parser
from detectron2.utils import comm

from ..checkpoint.checkpointer import check_is_there
from ..checkpoint.provenance import flattened
from ..checkpoint.resuming import recorded_seed
from ..checkpoint.zoo import CHECKPOINT_PREFIX, find_checkpoint
from ..config import RENAMED_VALUES, add_boxmask_vid_config, get_config_file
from ..data import register_vid_instances
from ..data.datasets import class_names
from ..data.datasets.imagenet_vid_categories import CLASS_NAMES
from ..errors import InputError
from ..evaluation.scores import check_scorers
from ..imports import ignore_library_warnings
from .checks import (
    check_datasets,
    check_evaluation,
    check_expected_results,
    check_features,
    check_model,
    check_numbers,
)
from .config_file import merge_file, merge_options
from .preparation import prepare_process, remedy_of

logger = logging.getLogger(__name__)

MODEL_HELP = "published model, e.g. selsa_troi_R_50: its config file and its weights"


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--config-file`` and ``--model``, one of which must be given, for ``build_cfg``."""
    models = parser.add_mutually_exclusive_group(required=True)
    models.add_argument("--config-file", metavar="FILE", help="config file of the model")
    models.add_argument("--model", metavar="NAME", help=MODEL_HELP)


def argument_parser() -> argparse.ArgumentParser:
    """Detectron2's options, and those for data sets, models by name and files of detections."""
    parser = default_argument_parser()
    parser.usage = "%(prog)s [options] [KEY VALUE ...]"
    parser.add_argument("--model", metavar="NAME", help=MODEL_HELP)
    parser.add_argument(
        "--dataset",
        nargs=3,
        action="append",
        default=[],
        metavar=("NAME", "JSON", "IMAGES"),
        help="register a COCO-VID JSON and its image folder under a name for DATASETS.TRAIN or "
        "DATASETS.TEST; may be repeated",
    )
    parser.add_argument(
        "--detections",
        metavar="JSON",
        help="with --eval-only: score this file of COCO results instead of running the model",
    )
    return parser


def setup(args: argparse.Namespace) -> CfgNode:
    """Register the data sets of the command line, read the config and prepare the process.

    A run without ``SEED`` gets one, which is written to ``config.yaml`` in ``OUTPUT_DIR`` and into
    its checkpoints; a run that is resumed takes the seed from there.

    Raises InputError if a config key does not exist or a value is not allowed, FileNotFoundError
    if a file of the config, of weights or of a data set does not exist.
    """
    ignore_library_warnings()  # in each process of several
    if args.detections is not None and not args.eval_only:
        raise InputError(f"--detections {args.detections} can only be scored: add --eval-only.")
    for name, json_file, images in args.dataset:
        if name in DatasetCatalog:
            raise InputError(f"--dataset {name}: this name is taken already; choose another one.")
        register_vid_instances(name, {}, json_file, images)
    cfg = build_cfg(args.config_file, args.opts, args.model)
    if not cfg.OUTPUT_DIR:
        raise InputError("OUTPUT_DIR is empty: name a folder.")
    check_features(cfg)
    check_model(cfg)
    check_scorers(cfg.TEST.VID.SCORERS, cfg.TEST.VID.BOOTSTRAP_DRAWS)
    check_expected_results(cfg)
    if args.eval_only:
        check_evaluation(cfg, detections=args.detections)
    else:
        if cfg.SEED < 0:
            cfg.SEED = _seed_of_run(cfg.OUTPUT_DIR, args.resume)
        if not cfg.DATASETS.TRAIN:
            raise InputError("DATASETS.TRAIN is empty: name the data sets to train on.")
        check_datasets(cfg, cfg.DATASETS.TRAIN)
        cfg.MODEL.VID.CLASS_NAMES = tuple(class_names(cfg.DATASETS.TRAIN[0]))
        check_datasets(cfg, cfg.DATASETS.TEST)
        check_numbers(cfg)
        if not args.resume:  # else they may have done their part
            check_is_there(cfg.MODEL.WEIGHTS)
    cfg.freeze()
    prepare_process(cfg, args)
    return cfg


def build_cfg(
    config_file: str | None, opts: Sequence[object] = (), model: str | None = None
) -> CfgNode:
    """Config of a file and of ``KEY VALUE`` pairs; on the CPU where there is no GPU.

    Args:
        config_file: path of the file.
        opts: keys and values in turn.
        model: name of a published model, in place of the file; sets ``MODEL.WEIGHTS`` and the
            names of its classes, those of ImageNet VID.

    Raises InputError if a key does not exist, was renamed, or a value is not allowed; if there is
    no such model, or a file and a model are given; FileNotFoundError if the file does not exist.
    """
    if model is not None:
        if config_file:
            raise InputError(
                f"--model {model} has a config: leave out either --config-file {config_file} or "
                "--model."
            )
        weights = find_checkpoint(model)
        config_file = get_config_file(weights.config)
        url = f"{CHECKPOINT_PREFIX}{weights.name}"
        opts = ["MODEL.WEIGHTS", url, "MODEL.VID.CLASS_NAMES", CLASS_NAMES, *opts]
    config_file = config_file or ""
    if not os.path.isfile(config_file):
        raise FileNotFoundError(f"Config file '{config_file}' not found: check --config-file.")
    cfg = get_cfg()
    add_boxmask_vid_config(cfg)
    for source, merge in (
        (config_file, functools.partial(merge_file, cfg, config_file)),
        ("the command line", functools.partial(merge_options, cfg, list(opts))),
    ):
        merge()
        values = flattened(cfg)
        for (key, value), replacement in RENAMED_VALUES.items():
            if values[key] == value:
                raise InputError(
                    f"In {source}: {key} {value} was replaced by {replacement}; correct it there."
                )
    kind = _kind_of_device(cfg.MODEL.DEVICE)
    if kind == "cuda" and not torch.cuda.is_available():
        logger.warning(
            f"MODEL.DEVICE is '{cfg.MODEL.DEVICE}', but there is no GPU: running on the CPU."
        )
        kind = "cpu"
    if kind == "cpu":
        cfg.MODEL.DEVICE = "cpu"  # not "cpu:0"
    return cfg


def _kind_of_device(name: str) -> str:
    try:
        return torch.device(name).type
    except RuntimeError as error:
        raise InputError(f"MODEL.DEVICE is '{name}': use 'cuda' or 'cpu'.") from error


@contextmanager
def errors_in_one_line(*, quiet: bool = False) -> Iterator[None]:
    """End a script with one sentence instead of a traceback after bad input or Ctrl-C.

    Warnings that libraries give about each other are not shown. ``quiet``: another process says
    that the work was interrupted.
    """
    ignore_library_warnings()
    try:
        yield
    except (InputError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        remedy = remedy_of(error)
        if remedy is None:
            raise
        what = error.filename or "A log or another file of this run"
        sys.exit(f"error: {what} cannot be opened or written ({error.strerror}): {remedy}.")
    except KeyboardInterrupt:
        if not quiet:
            print("interrupted", file=sys.stderr)
        sys.exit(130)  # as a shell reports Ctrl-C


def _seed_of_run(output_dir: str, resume: bool) -> int:
    seed = recorded_seed(Path(output_dir)) if resume and comm.is_main_process() else None
    if seed is None:
        seed = int.from_bytes(os.urandom(3), "little")
    return comm.all_gather(seed)[0]
