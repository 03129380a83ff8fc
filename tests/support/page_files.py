"""A folder with everything that the commands of the pages name, small."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import torch
import torchvision
from detectron2.modeling import build_model
from PIL import Image

from boxmask_vid.checkpoint import convert_mmtracking
from boxmask_vid.engine import build_cfg
from support.ilsvrc import OBJECT, XML, write_list
from support.paths import CONFIGS, REPOSITORY
from support.report_data import made_up_detections
from support.small import CONFIG

LINKED = ("constraints.txt", "datasets", "projects", "tests")
SHORT = """
SOLVER: {IMS_PER_BATCH: 2, MAX_ITER: 3, STEPS: "(1,)", CHECKPOINT_PERIOD: 3}
TEST: {EVAL_PERIOD: 0}
DATALOADER: {NUM_WORKERS: 0}
INPUT: {MIN_SIZE_TRAIN: "(64,)", MAX_SIZE_TRAIN: 96, MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 96}
"""
CVAT = """<annotations><meta><task><name>task</name><size>3</size><labels><label>
<name>bird</name></label></labels><original_size><width>{width}</width><height>{height}</height>
</original_size><source>clip.mp4</source></task></meta><track id="0" label="bird">
{boxes}</track></annotations>"""
CVAT_BOX = """<box frame="{frame}" outside="0" occluded="0" keyframe="1" xtl="10" ytl="10" xbr="50"
ybr="40"/>"""


def write_page_files(root: Path, datasets: Path) -> None:
    """Write the files that the pages name into ``root``, from small synthetic videos."""
    for name in LINKED:
        (root / name).symlink_to(REPOSITORY / name)
    write_configs(root / "configs")
    tree = datasets / "synthetic_vid"
    frames = sorted((tree / "Data/VID/val/synthetic_val_00000").iterdir())
    write_annotations(root, tree)
    write_images(root, tree, frames)
    for name in ("a.mp4", "my/videos/clip_a.mp4", "video.mp4"):
        write_video(root / name, frames[:4])
    write_yolo(root / "my/labels")
    height, width = cv2.imread(str(frames[0])).shape[:2]
    boxes = "".join(CVAT_BOX.format(frame=frame) for frame in range(3))
    text = CVAT.format(width=width, height=height, boxes=boxes)
    (root / "my_annotations.xml").write_text(text)
    write_imagenet(root / "data_sets/ILSVRC2015", tree)
    write_backbone(root / "cache/boxmask_vid/torchvision_resnet50-IMAGENET1K_V1-0676ba61.pth")
    write_mot17(root / "MOT17/train", frames[:3])
    write_models(root)


def write_configs(folder: Path) -> None:
    """Those of the repository, under the same names, with little to do."""
    for path in CONFIGS.rglob("*.yaml"):
        target = folder / path.relative_to(CONFIGS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f'_BASE_: "{path}"\n{SHORT}')


def write_annotations(root: Path, tree: Path) -> None:
    for part in ("train", "val"):
        text = (tree / f"coco_vid/imagenet_vid_{part}.json").read_text()
        (root / f"instances_{part}.json").write_text(text)
        content = json.loads(text)
        content["categories"].append({"id": 99, "name": "fifth"})
        (root / f"my_{part}.json").write_text(json.dumps(content))
    shutil.copy(root / "instances_val.json", root / "GT.json")
    shutil.copy(root / "instances_train.json", root / "TRAIN_GT.json")
    found = within_images(json.loads((root / "GT.json").read_text()))
    for name, part in (("DET", found), ("A", found), ("B", found[::2])):
        (root / f"{name}.json").write_text(json.dumps(part))


def within_images(content: dict) -> list[dict]:
    """Made-up detections with boxes that end at the border, as those of a detector do."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    found = made_up_detections(content)
    for detection in found:
        x, y, w, h = detection["bbox"]
        width, height = sizes[detection["image_id"]]
        left, top = max(x, 0), max(y, 0)
        detection["bbox"] = [left, top, min(x + w, width) - left, min(y + h, height) - top]
    return [detection for detection in found if min(detection["bbox"][2:]) > 0]


def write_images(root: Path, tree: Path, frames: list[Path]) -> None:
    """``my_frames`` and ``ROOT``; ``frames`` is a folder of images, too."""
    for name in ("my_frames", "frames", "ROOT"):
        shutil.copytree(tree / "Data/VID", root / name)
    for name in ("my_frames/clip", "frames/halmstad_V_DRONE_040"):
        (root / name).mkdir()
    for index, frame in enumerate(frames[:3]):
        shutil.copy(frame, root / f"frames/halmstad_V_DRONE_040/{index:06d}.jpg")
        shutil.copy(frame, root / f"my_frames/clip/{index:06d}.jpg")
        shutil.copy(frame, root / f"frames/{index:06d}.jpg")
    shutil.copy(frames[0], root / "image.jpg")


def write_video(path: Path, frames: list[Path]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [cv2.imread(str(frame)) for frame in frames]
    size = pictures[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 5, size)
    for picture in pictures:
        writer.write(picture)
    writer.release()


def write_yolo(root: Path) -> None:
    (root / "clip_a").mkdir(parents=True)
    (root / "classes.txt").write_text("cat\ndog\n")
    for index in range(4):
        text = f"{index % 2} 0.5 0.5 0.25 0.25 {index % 2}\n"
        (root / f"clip_a/{index:06d}.txt").write_text(text)


def write_mot17(root: Path, frames: list[Path]) -> None:
    """Sequences in the layout of MOT17: a person, one that is not scored, a car, a reflection."""
    height, width = cv2.imread(str(frames[0])).shape[:2]
    rows = (
        "1,10,12,20,30,1,1,0.9",
        "2,40,10,15,30,0,1,0.5",
        "3,5,5,20,20,0,3,1",
        "4,1,1,9,9,0,12,1",
    )
    for number in ("02", "11", "13"):
        sequence = root / f"MOT17-{number}-FRCNN"
        (sequence / "gt").mkdir(parents=True)
        (sequence / "img1").mkdir()
        for index, frame in enumerate(frames, start=1):
            shutil.copy(frame, sequence / f"img1/{index:06d}.jpg")
        lines = [f"{index},{row}\n" for row in rows for index in range(1, len(frames) + 1)]
        (sequence / "gt/gt.txt").write_text("".join(lines))
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={sequence.name}\nimDir=img1\nframeRate=30\nseqLength={len(frames)}\n"
            f"imWidth={width}\nimHeight={height}\nimExt=.jpg\n"
        )


def write_imagenet(root: Path, tree: Path) -> None:
    """The synthetic tree as ImageNet VID, and a still image of DET."""
    shutil.copytree(tree, root, ignore=shutil.ignore_patterns("coco_vid"))
    name = "train/ILSVRC2013_train/n02084071/a"
    for kind, suffix in (("Data", "JPEG"), ("Annotations", "xml")):
        (root / f"{kind}/DET/{name}.{suffix}").parent.mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(root / f"Data/DET/{name}.JPEG")
    dog = OBJECT.format(track=0, name="n02084071")
    (root / f"Annotations/DET/{name}.xml").write_text(XML.format(objects=dog))
    write_list(root, "DET_train_30classes.txt", f"{name} 1")


def write_backbone(path: Path) -> None:
    """Random weights where ``torchvision://resnet50`` is kept when it has been fetched."""
    path.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save({"model": convert_mmtracking(torchvision.models.resnet50().state_dict())}, path)


def write_models(root: Path) -> None:
    """The config and the checkpoint that the demo leaves, of random weights."""
    cfg = build_cfg(CONFIG, ["MODEL.DEVICE", "cpu", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0"])
    torch.manual_seed(0)
    weights = {"model": build_model(cfg).state_dict()}
    for name in ("demo", "demo2"):
        folder = root / "output" / name / "train"
        folder.mkdir(parents=True)
        torch.save(weights, folder / "model_final.pth")
        (folder / "config.yaml").write_text(cfg.dump())
