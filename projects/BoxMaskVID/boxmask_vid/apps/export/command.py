"""Export a trained model as TorchScript and ONNX graphs, checked against the model itself.

Files are written only after all graphs have been run and agree with the model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from detectron2.config import CfgNode

from ...config import names_of_classes
from ...engine import VideoPredictor, add_model_options, build_cfg
from ...errors import InputError
from ...files import write_json, written_whole
from ...video import open_frames
from ..dataset_tools import Scene, render_video
from .agreement import Case, Difference, difference
from .formats import FORMATS
from .graphs import Graph, build_graphs

CHECKED_FRAMES = 4


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/export_model.py``."""
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    add = parser.add_argument
    add(
        "--output", required=True, type=Path, metavar="DIR", help="folder for graphs and model.json"
    )
    add("--format", nargs="+", choices=FORMATS, default=list(FORMATS), help="default: all")
    add(
        "--check-input",
        metavar="X",
        help="video file, folder or glob of images to check on (default: a synthetic video)",
    )
    add(
        "--tolerance",
        type=float,
        default=1e-3,
        metavar="X",
        help="largest difference from the model, in pixels and in score (default: %(default)s)",
    )
    add("--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE", help="config options")
    return parser


def run(args: argparse.Namespace) -> None:
    """Export as the command line says; raise the errors of :func:`export_model`."""
    export_model(
        build_cfg(args.config_file, args.opts, args.model),
        args.output,
        formats=args.format,
        check_input=args.check_input,
        tolerance=args.tolerance,
    )


def export_model(
    cfg: CfgNode,
    output: Path,
    *,
    formats: Sequence[str] = tuple(FORMATS),
    check_input: str | None = None,
    tolerance: float = 1e-3,
) -> None:
    """Export a model, check the graphs, and write them.

    Args:
        cfg: config of the model, with weights.
        output: folder for graphs and ``model.json``.
        formats: names in ``FORMATS``.
        check_input: video file, folder or glob of images to check on; None for a synthetic video.
        tolerance: largest difference from the model, in pixels and in score.

    Raises:
        FileNotFoundError: if the weights or the frames to check on do not exist.
        InputError: if the model cannot be exported, a package is missing, the exported graphs
            detect something else than the model, or the output cannot be written.
    """
    for name in formats:
        FORMATS[name].check_packages()
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.DEVICE = "cpu"
    # as graphs have them: those that are given, and the image itself
    cfg.MODEL.VID.TEST.REFERENCES = "adaptive"
    predictor = VideoPredictor(cfg)
    graphs = build_graphs(cfg, predictor.model)
    cases = _cases(predictor, check_input)
    files: dict[str, bytes] = {}
    for name in formats:
        form = FORMATS[name]
        saved = {graph.name: form.save(graph) for graph in graphs}
        functions = {graph: form.load(content) for graph, content in saved.items()}
        _check(name, [difference(functions, case) for case in cases], tolerance)
        files |= {f"{graph}{form.suffix}": content for graph, content in saved.items()}
    for file, content in files.items():
        with written_whole(output / file) as unfinished:
            unfinished.write_bytes(content)
    write_json(output / "model.json", describe(cfg, graphs, formats))
    print(
        f"compared on {sum(len(case.found) for case in cases)} detections with "
        f"0 to {max(len(case.references) for case in cases)} references\n"
        f"{output}: {', '.join([*files, 'model.json'])}"
    )


def describe(cfg: CfgNode, graphs: Sequence[Graph], formats: Sequence[str]) -> dict:
    """Content of ``model.json``: a description of the graphs for those who run them."""
    size, longest = cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST
    return {
        "image": {
            "channels": cfg.INPUT.FORMAT,
            "resize": f"keeping its proportions, so that it fits into {longest} x {size} or "
            f"{size} x {longest} pixels, with bilinear interpolation (cv2.INTER_LINEAR)",
            "size": "int(side * scale + 0.5) for width and height, with scale = "
            "min(shortest_edge / min(width, height), longest_edge / max(width, height)); without "
            "resizing if shortest_edge is 0",
            "orientation": "as players show the frame: turned by the rotation of the video",
            "shortest_edge": size,
            "longest_edge": longest,
        },
        "classes": names_of_classes(cfg),
        "boxes": "x1, y1, x2, y2 in pixels of the resized image; divide x by its width and "
        "multiply by that of the frame, y likewise with the height, then clip to the frame",
        "memory": "Concatenate what 'encode' gives for the reference frames along axis 0, each "
        "name for itself, and hand it to 'detect'. All frames have the same size. The image itself "
        "is always one of its references and need not be among them: 'detect' gives its memory "
        "as well, as own_*. Without references: tensors with 0 rows.",
        "references": cfg.MODEL.VID.TEST.NUM_REFERENCES,
        "reference_frames": "of a video of n frames, numbered from 0: round(i * ((n - 1) / "
        "(references - 1))) for i = 0 .. references - 1, halves to the even number; frames of a "
        "short video are taken several times; a single reference is frame (n - 1) // 2",
        "files": {
            name: [f"{graph.name}{FORMATS[name].suffix}" for graph in graphs] for name in formats
        },
        "graphs": {
            graph.name: {
                "inputs": [asdict(port) for port in graph.inputs],
                "outputs": [asdict(port) for port in graph.outputs],
            }
            for graph in graphs
        },
    }


def _cases(predictor: VideoPredictor, source: str | None) -> list[Case]:
    """Cases to compare on: the last frame with 0, 1, 2, ... of the others as its references."""
    if source is None:
        frames = [frame for frame, _ in render_video(Scene(CHECKED_FRAMES, 0.5), (0, 0))]
    else:
        frames = list(islice(open_frames(source), CHECKED_FRAMES))
    if not frames:
        raise InputError(f"--check-input {source} has no frames: choose another video.")
    *others, image = (predictor.sample(frame)["image"] for frame in frames)
    if any(other.shape != image.shape for other in others):
        raise InputError(
            f"--check-input {source} has images of different sizes: choose frames of one video."
        )
    cases = []
    for count in range(len(others) + 1 if predictor.model.roi_heads.uses_references else 1):
        sample = {"image": image, "reference_images": others[:count]}
        with torch.no_grad():
            (found,) = predictor.model.inference([sample], do_postprocess=False)
        cases.append(Case(image, others[:count], found))
    if not any(len(case.found) for case in cases):
        raise InputError(
            "The model finds nothing in the frames to check on, so nothing can be compared: choose "
            "frames with objects (--check-input X), or lower MODEL.ROI_HEADS.SCORE_THRESH_TEST."
        )
    return cases


def _check(name: str, differences: Sequence[Difference], tolerance: float) -> None:
    pixels = max(difference.pixels for difference in differences)
    score = max(difference.score for difference in differences)
    print(f"{name}: largest difference from the model {pixels:.2g} pixels, {score:.2g} in score")
    if not max(pixels, score) <= tolerance:
        raise InputError(
            f"The {name} graphs do not find what the model finds, so nothing is written: they "
            f"differ by {pixels:.2g} pixels and {score:.2g} in score, --tolerance is "
            f"{tolerance:g}; see 'What cannot be exported' in docs/DETECT.md."
        )
