"""Aggregation pays: where a frame does not show the class, other frames of the video do."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxmask_vid.data import register_vid_instances
from boxmask_vid.engine import Trainer, build_cfg
from boxmask_vid.files import write_json
from support.paths import CONFIGS

pytestmark = pytest.mark.slow

HEIGHT, WIDTH, FRAMES = 64, 96, 6
COLOURS = {"red": (60, 60, 220), "green": (60, 220, 60), "blue": (220, 60, 60)}  # BGR
GREY = (150, 150, 150)
STEPS = 240
# Seeds 1, 2, 3: single frames 46, 36, 43; SELSA 74, 98, 100; with Temporal RoI Align 100, 99, 100,
# and 79 beside 42 where seed 1 was rounded otherwise.
MARGIN = 20.0  # AP50


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> tuple[str, str]:
    """Squares whose class is their colour, and which are grey in the key frames of the test."""
    root = tmp_path_factory.mktemp("aggregation")
    names = "aggregation_train", "aggregation_val"
    for seed, (name, count) in enumerate(zip(names, (60, 15), strict=True)):
        content = {"categories": [], "videos": [], "images": [], "annotations": []}
        for index, colour in enumerate(COLOURS):
            content["categories"].append({"id": index, "name": colour})
        for video in range(count):
            draw_video(content, video, seed, root / name)
        write_json(root / f"{name}.json", content)
        register_vid_instances(name, {}, str(root / f"{name}.json"), str(root / name))
    return names


def draw_video(content: dict, video: int, seed: int, folder: Path) -> None:
    rng = np.random.default_rng((seed, video))
    label = video % len(COLOURS)
    content["videos"].append({"id": video, "name": str(video)})
    folder.mkdir(exist_ok=True)
    side = int(rng.integers(28, 40))
    places = rng.integers(0, (WIDTH - side, HEIGHT - side), (FRAMES, 2))
    for frame, (x, y) in enumerate(places.tolist()):
        image = rng.normal(60, 25, (HEIGHT, WIDTH, 3)).clip(0, 255).astype(np.uint8)
        grey = frame % 2 == 1
        colour = GREY if grey else [*COLOURS.values()][label]
        cv2.rectangle(image, (x, y), (x + side - 1, y + side - 1), colour, -1)
        record = {"id": video * FRAMES + frame, "video_id": video, "frame_id": frame}
        record |= {"file_name": f"{record['id']}.png", "width": WIDTH, "height": HEIGHT}
        cv2.imwrite(str(folder / record["file_name"]), image)
        content["images"].append({**record, "is_vid_train_frame": grey})
        box = {"bbox": [x, y, side, side], "area": side * side, "iscrowd": 0}
        ids = {"id": record["id"], "image_id": record["id"], "instance_id": 0}
        content["annotations"].append({**ids, **box, "category_id": label})


def ap50(videos: tuple[str, str], kind: str, seed: int, folder: Path) -> float:
    """On frames that have no colour, of a model that was trained for a minute."""
    train, test = videos
    output = folder / f"{kind}_{seed}"
    options = {
        "MODEL.DEVICE": "cpu",
        "MODEL.ROI_HEADS.NUM_CLASSES": len(COLOURS),
        "DATASETS.TRAIN": (train,),
        "DATASETS.TEST": (test,),
        "DATALOADER.NUM_WORKERS": 0,
        "INPUT.MIN_SIZE_TRAIN": (HEIGHT,),
        "INPUT.MIN_SIZE_TEST": HEIGHT,
        "INPUT.MAX_SIZE_TRAIN": WIDTH,
        "INPUT.MAX_SIZE_TEST": WIDTH,
        "MODEL.RESNETS.OUT_FEATURES": ["res3"],  # little to learn from scratch
        # few proposals, so that attention finds the square soon
        "MODEL.RPN.POST_NMS_TOPK_TRAIN": 16,
        "MODEL.RPN.POST_NMS_TOPK_TEST": 8,
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 16,
        "SOLVER.IMS_PER_BATCH": 4,
        "SOLVER.WARMUP_ITERS": 20,
        "SOLVER.MAX_ITER": STEPS,
        "SOLVER.STEPS": (STEPS * 4 // 5,),
        "TEST.EVAL_PERIOD": STEPS,
        "TEST.VID.SCORERS": ("coco",),
        "TEST.VID.BOOTSTRAP_DRAWS": 0,
        "SEED": seed,
        "OUTPUT_DIR": str(output),
    }
    config = str(CONFIGS / f"SyntheticVID/{kind}_thin_R_50_DC5.yaml")
    cfg = build_cfg(config, [word for pair in options.items() for word in pair])
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    rows = (output / "metrics.json").read_text().splitlines()
    return json.loads(rows[-1])["bbox/AP50"]


def test_references_show_what_a_frame_does_not(videos, tmp_path):
    alone = ap50(videos, "faster_rcnn", 1, tmp_path)
    for kind in ("selsa", "selsa_troi"):
        together = ap50(videos, kind, 1, tmp_path)
        assert together > alone + MARGIN, f"{kind}: AP50 {together}, single frames {alone}"
