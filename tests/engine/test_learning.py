"""Learning, on videos that the test makes: the loss falls and AP rises."""

import json

import pytest

from boxmask_vid.apps.dataset_tools.converters.imagenet_vid import convert_imagenet_vid
from boxmask_vid.apps.dataset_tools.synthetic import make_synthetic_vid
from boxmask_vid.data import register_vid_instances
from boxmask_vid.engine import Trainer, build_cfg
from support.paths import CONFIGS

pytestmark = pytest.mark.slow

CONFIG = CONFIGS / "SyntheticVID/boxmask_selsa_troi_thin_R_50_DC5.yaml"


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> str:
    """A few clean videos under a name."""
    tree = tmp_path_factory.mktemp("learning") / "tree"
    make_synthetic_vid(tree, videos=5, val_videos=1, frames=6, seed=5, degradation=0)
    convert_imagenet_vid(tree, tree / "coco_vid")
    json_file = tree / "coco_vid/imagenet_vid_train.json"
    register_vid_instances("learning_vid", {}, str(json_file), str(tree / "Data/VID"))
    return "learning_vid"


def test_loss_falls_and_ap_rises(videos, tmp_path):
    iterations = 160
    options = {
        "MODEL.DEVICE": "cpu",
        "DATASETS.TRAIN": (videos,),
        "DATASETS.TEST": (videos,),
        "INPUT.RANDOM_FLIP": "none",
        "SOLVER.IMS_PER_BATCH": 4,
        "SOLVER.WARMUP_ITERS": 20,
        "SOLVER.MAX_ITER": iterations,
        "SOLVER.STEPS": (iterations * 3 // 4,),
        "TEST.EVAL_PERIOD": iterations // 4,
        "SEED": 1,
        "OUTPUT_DIR": str(tmp_path),
    }
    cfg = build_cfg(str(CONFIG), [word for pair in options.items() for word in pair])
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    rows = [json.loads(line) for line in (tmp_path / "metrics.json").read_text().splitlines()]
    losses = [row["total_loss"] for row in rows if "total_loss" in row]
    ap50 = [row["bbox/AP50"] for row in rows if "bbox/AP50" in row]
    print("total loss", losses, "AP50", ap50)
    assert losses[-1] < 0.5 * losses[0]
    assert ap50[-1] > ap50[0] + 30
