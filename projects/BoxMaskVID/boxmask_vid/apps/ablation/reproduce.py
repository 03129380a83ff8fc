"""Data, trainings, tests, tables and plots of ``tools/reproduce_ablation.py``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ...errors import InputError
from ...evaluation.tables import without_nan
from ...files import read_json, write_json
from . import presets, synthetic_data
from .ablation import Ablation
from .ablation_plot import plot_ablation
from .results import Results
from .tables import markdown

REAL_CLIPS = tuple(
    f"mini_vid_{classes}_{backbone}"
    for classes in ("all", "flying")
    for backbone in ("thin_resnet", "mobilenet")
)
PRESETS = ("synthetic", *REAL_CLIPS, "imagenet_vid")
FLYING = ("airplane", "bird", "drone", "helicopter")  # classes of mini_vid


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/reproduce_ablation.py``."""
    parser = argparse.ArgumentParser(
        description="Train and evaluate single frames, SELSA, SELSA + TROI, and each of them with "
        "BoxMask, with the same data, backbone, schedule and key frames; write tables and plots. "
        "The same command continues after an interruption."
    )
    parser.add_argument("--preset", choices=PRESETS, required=True)
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings of each model")
    parser.add_argument(
        "--cheap-seeds",
        type=int,
        default=0,
        metavar="N",
        help="number of trainings of the models without TROI, if it is more than --seeds: more "
        "trainings tell smaller gains from none",
    )
    parser.add_argument("--output", type=Path, default=Path("output/ablation"), metavar="DIR")
    parser.add_argument(
        "--only-report",
        action="store_true",
        help="run nothing: write tables and plots of what has finished",
    )
    parser.add_argument("--ablations", action="store_true", help="also the further variants")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="commands at a time")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.getenv("DETECTRON2_DATASETS", "datasets"), "mini_vid"),
        metavar="DIR",
        help="folder of mini_vid, with instances_{train,val}.json and frames/ (default: "
        "$DETECTRON2_DATASETS/mini_vid)",
    )
    parser.add_argument("--num-gpus", type=int, default=1, help="GPUs of each command, if any")
    parser.add_argument(
        "--opts",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="KEY VALUE",
        help="config options of all models, e.g. MODEL.WEIGHTS of a backbone",
    )
    return parser


def reproduce(args: argparse.Namespace, repository: Path) -> None:
    """Make the data, train, test, and write the results that there are, also after Ctrl-C.

    Raises:
        InputError: if a command fails, or the data differ from the expected ones.
        FileNotFoundError: if files of mini_vid are missing.
        KeyboardInterrupt: if it was interrupted.
    """
    ablation = Ablation(
        repository,
        args.output,
        prepare(
            args.preset,
            repository,
            args.output / "datasets",
            args.data,
            only_report=args.only_report,
        ),
        seeds=range(1, args.seeds + 1),
        more_seeds=range(args.seeds + 1, args.cheap_seeds + 1),
        further_variants=args.ablations,
        at_once=args.jobs,
        num_gpus=args.num_gpus,
        options=args.opts,
    )
    try:
        if not args.only_report:
            ablation.run()
    finally:
        print("\n".join(["Look at:", *(f"  {path}" for path in write_results(ablation))]))


def write_results(ablation: Ablation) -> list[Path]:
    """Write tables and plots of what has finished into ``output/results``; return their paths."""
    report = Results(ablation).report()
    folder = ablation.output / "results"
    pictures = plot_ablation(report, folder)
    tables, content = folder / "ablation.md", folder / "ablation.json"
    tables.write_text(markdown(report))
    write_json(content, {key: without_nan(value) for key, value in report.items()})
    return [tables, content, *pictures]


def prepare(
    name: str, repository: Path, root: Path, data: Path, *, only_report: bool = False
) -> presets.Preset:
    """Make the data of a preset below ``root``, unless they are there already.

    ``data`` is the folder of mini_vid. Without trainings (``only_report``) data are not made: what
    has a record needs none. Raises the errors of :func:`reproduce`.
    """
    if name == "imagenet_vid":
        return presets.imagenet_vid()
    if name in REAL_CLIPS:
        _, _, classes, backbone = name.split("_", 3)
        sources = [data / f"instances_{split}.json" for split in ("train", "val")]
        jsons = [root / source.name for source in sources] if classes == "flying" else sources
        for source, target in zip(sources, jsons, strict=True):
            if not source.is_file() and not only_report:
                raise FileNotFoundError(
                    f"{source} not found: give the folder of mini_vid with --data."
                )
            if target != source and not only_report:
                write_flying_classes(source, target)
        train, val = jsons
        return presets.mini_vid(train, val, data / "frames", classes=classes, backbone=backbone)
    if not only_report:
        _make_synthetic_data(repository, root)
    return presets.synthetic(root)


def _make_synthetic_data(repository: Path, root: Path) -> None:
    for tree, commands in synthetic_data.generation_commands(repository, root).items():
        if not (tree / "coco_vid/imagenet_vid_val.json").is_file():  # written last
            for command in commands.values():
                print(f"$ {command}", flush=True)
                if code := command.run():
                    raise InputError(f"'{command}' failed (exit code {code}), see above.")
    synthetic_data.write_key_frames(root)
    synthetic_data.check_annotations(root)


def write_flying_classes(source: Path, target: Path) -> None:
    """Write the videos of a COCO-VID JSON that show something that flies, not their images.

    Raises InputError if there are no such videos.
    """
    content = read_json(source)
    categories = [record for record in content["categories"] if record["name"] in FLYING]
    ids = {category["id"] for category in categories}
    boxes = [record for record in content["annotations"] if record["category_id"] in ids]
    if not boxes:
        raise InputError(f"{source} has no boxes of {', '.join(FLYING)}: give another --data.")
    shown = {box["image_id"] for box in boxes}
    videos = {image["video_id"] for image in content["images"] if image["id"] in shown}
    write_json(
        target,
        {
            "categories": categories,
            "videos": [video for video in content["videos"] if video["id"] in videos],
            "images": [image for image in content["images"] if image["video_id"] in videos],
            "annotations": boxes,
        },
    )
