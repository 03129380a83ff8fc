"""Learning on real video, by the ordinary commands: a few clips are learned by heart."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import CONFIGS, PROJECT

pytestmark = [pytest.mark.needs_shared, pytest.mark.slow]

CONFIG = CONFIGS / "SyntheticVID/boxmask_selsa_troi_thin_R_50_DC5.yaml"
CLIPS = (1, 6, 9, 23)  # a bird, a dog, a camel and a helicopter, large in the picture
ITERATIONS = 420


@pytest.fixture(scope="module")
def clips(shared, tmp_path_factory) -> Path:
    """JSON file of a few training clips; their ids have gaps."""
    content = json.loads((shared / "data/mini_vid/instances_train.json").read_text())
    content["videos"] = [video for video in content["videos"] if video["id"] in CLIPS]
    content["images"] = [image for image in content["images"] if image["video_id"] in CLIPS]
    images = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in images]
    path = tmp_path_factory.mktemp("clips") / "clips.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def trained(shared, clips, tmp_path_factory) -> Path:
    """Output of the training."""
    output = tmp_path_factory.mktemp("real")
    period = ITERATIONS // 3
    train_net(
        shared,
        clips,
        *("DATASETS.TRAIN", "('clips',)", "DATASETS.TEST", "('clips',)"),
        *("SOLVER.MAX_ITER", ITERATIONS, "SOLVER.STEPS", f"({ITERATIONS * 4 // 5},)"),
        *("SOLVER.IMS_PER_BATCH", 4, "SOLVER.WARMUP_ITERS", 50, "INPUT.RANDOM_FLIP", "none"),
        *("SOLVER.CHECKPOINT_PERIOD", period, "TEST.EVAL_PERIOD", period, "OUTPUT_DIR", output),
    )
    return output


def train_net(shared: Path, clips: Path, *opts: object, flags: tuple = ()) -> None:
    frames = shared / "data/mini_vid/frames"
    val = shared / "data/mini_vid/instances_val.json"
    command = [
        *(sys.executable, PROJECT / "train_net.py", "--config-file", CONFIG),
        *("--dataset", "clips", clips, frames, "--dataset", "mini_vid_val", val, frames),
        *(*flags, "MODEL.ROI_HEADS.NUM_CLASSES", 10, "SEED", 1, "MODEL.DEVICE", "cpu", *opts),
    ]
    done = subprocess.run(
        list(map(str, command)), env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_clips_are_learned_by_heart(trained):
    rows = [json.loads(line) for line in (trained / "metrics.json").read_text().splitlines()]
    losses = [row["total_loss"] for row in rows if "total_loss" in row]
    ap50 = [row["bbox/AP50"] for row in rows if "bbox/AP50" in row]
    print("total loss", losses, "AP50", ap50)
    assert losses[-1] < 0.5 * losses[0]
    assert ap50[0] < ap50[-1]
    assert ap50[-1] >= 80


def test_ids_with_gaps_and_a_class_without_instances_are_evaluated(shared, clips, trained):
    output = trained / "val"
    train_net(
        shared,
        clips,
        *("DATASETS.TEST", "('mini_vid_val',)", "OUTPUT_DIR", output),
        *("MODEL.WEIGHTS", trained / "model_final.pth"),
        flags=("--eval-only",),
    )
    metrics = json.loads((output / "evaluation.json").read_text())["bbox"]
    print({name: value for name, value in metrics.items() if "AP50" in name})
    assert metrics["AP50-backpack"] is None
    assert 0 <= metrics["AP50"] <= 100
    (results,) = output.rglob("coco_instances_results.json")
    val = json.loads((shared / "data/mini_vid/instances_val.json").read_text())
    found = json.loads(results.read_text())
    assert {box["category_id"] for box in found} <= {c["id"] for c in val["categories"]}
    assert {box["image_id"] for box in found} <= {image["id"] for image in val["images"]}
    assert len({box["image_id"] for box in found}) > len(val["images"]) / 2
