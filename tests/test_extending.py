"""docs/EXTENDING.md: each block is executed, and a model of it trains a step and detects."""

import functools
import re

import cv2
import pytest
import torch
import yaml
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage

from boxmask_vid.data import VIDDatasetMapper
from support.paths import PROJECT
from support.small import clip, frame, small_cfg

PAGE = (PROJECT / "docs/EXTENDING.md").read_text()
SECTIONS = re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)


def blocks(title: str) -> tuple[str, CfgNode]:
    """The Python code of a section and its config."""
    text = dict(SECTIONS)[title]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (settings,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return code, CfgNode(yaml.safe_load(settings))


@functools.cache  # a registry takes a name once
def execute(title: str) -> None:
    exec(compile(blocks(title)[0], f"EXTENDING.md, {title}", "exec"), {"__name__": "extension"})


def extended(title: str, *opts: object) -> tuple[torch.nn.Module, CfgNode]:
    """The model and the config of a section."""
    execute(title)
    _, settings = blocks(title)
    cfg = small_cfg("troi", *opts)
    cfg.merge_from_other_cfg(settings)
    torch.manual_seed(0)
    return build_model(cfg), cfg


def check(model: torch.nn.Module) -> None:
    """A training step reaches every parameter; references change detections."""
    model.train()
    for count in (2, 0):
        model.zero_grad()
        with EventStorage():
            losses = model([clip(references=count)])
        sum(losses.values()).backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    model.eval()
    with torch.no_grad():
        (first,) = model([frame(0, references=3)])
        (second,) = model([frame(1)])
        alone = {key: value for key, value in frame(1).items() if key != "video_id"}
        (single,) = model([alone])
    assert len(first["instances"])
    scores = second["instances"].scores, single["instances"].scores
    assert len(scores[0]) != len(scores[1]) or not torch.equal(*scores)


def test_the_page_has_a_section_for_each_kind_of_part():
    titles = [title for title, _ in SECTIONS]
    assert titles == ["A backbone", "An aggregation", "A reference policy", "A data set"]


def test_a_backbone():
    model, _ = extended("A backbone")
    assert type(model.backbone.bottom_up).__name__ == "SqueezeNet"
    check(model)


@pytest.mark.parametrize("accelerated", [True, False])
def test_an_aggregation(accelerated: bool):
    model, _ = extended(
        "An aggregation", "MODEL.VID.TROI.ENABLED", False, "MODEL.VID.ACCELERATE", accelerated
    )
    assert type(model.roi_heads.box_head).__name__ == "MeanBoxHead"
    check(model)


def test_an_aggregation_takes_forty_lines_at_most():
    code, _ = blocks("An aggregation")
    assert len(code.splitlines()) <= 40


def test_a_reference_policy():
    model, cfg = extended("A reference policy", "DATASETS.TEST", "()")
    policy = VIDDatasetMapper(cfg, False).reference_policy
    assert type(policy).__name__ == "FirstFrame"
    assert policy.frames_to_load(3, 9, is_first=True) == [0]
    check(model)
    assert len(model.reference_memory.videos[1]) == 3


def test_a_data_set(tmp_path, monkeypatch, synthetic_root):
    tree = synthetic_root / "synthetic_vid"
    (tmp_path / "my_train.json").symlink_to(tree / "coco_vid/imagenet_vid_train.json")
    (tmp_path / "my_frames").symlink_to(tree / "Data/VID")
    monkeypatch.chdir(tmp_path)
    _, cfg = extended("A data set")
    record = DatasetCatalog.get("my_train")[0]
    sample = VIDDatasetMapper(cfg, True)(record)
    assert cv2.imread(record["file_name"]) is not None
    assert len(sample["reference_images"]) > 0
