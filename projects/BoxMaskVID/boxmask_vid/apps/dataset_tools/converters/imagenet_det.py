"""Conversion of the images of ImageNet DET with the 30 classes of ImageNet VID to COCO JSON."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ....errors import InputError
from ....files import write_json
from ....parallel import in_processes
from .coco_vid import summary
from .ilsvrc import BOX_RULES, another_list, categories, check_tree, list_file, read_rows, read_xml

LIST = "DET_train_30classes.txt"
JSON = "imagenet_det_30plus1_train.json"


def convert_imagenet_det(root: Path, output: Path, *, box_rule: str = "inclusive") -> Path:
    """Write ``imagenet_det_30plus1_train.json``; objects of other classes are left out.

    ``box_rule`` is one of :data:`BOX_RULES`.

    Raises:
        FileNotFoundError: if there is no such folder.
        InputError: if the tree is not valid.
    """
    check_tree(root)
    listed = listed_images(root)
    if listed is None:
        base = root / "Annotations/DET"
        found = (base / "train").rglob("*.xml")
        images = sorted(path.relative_to(base).with_suffix("").as_posix() for path in found)
        print(f"{root} has no {LIST}: images with objects of the classes are used")
    else:
        images = listed
    if not images:
        raise InputError(f"{root} has no still images: there must be {root}/Annotations/DET/train.")
    content = convert_images(root, images, box_rule, only_with_objects=listed is None)
    if not content["images"]:
        raise InputError(f"{root}/Annotations/DET/train has no object of the classes of VID.")
    path = output / JSON
    write_json(path, content)
    print(f"{path}: {summary(content)}")
    return path


def listed_images(root: Path) -> list[str] | None:
    """Read the names below Data/DET without suffix, each once; None if there is no list."""
    path = list_file(root, "DET", LIST)
    if path is None:
        return None
    rows = read_rows(path, columns=2)
    for number, row in rows:
        if not row[0].startswith("train/"):
            raise another_list(path, number, row, "train/<image> 1")
    names = list(dict.fromkeys(row[0] for _, row in rows))
    if len(names) < len(rows):
        print(f"{path}: {len(rows)} rows, {len(rows) - len(names)} of them repeated")
    return names


def convert_images(
    root: Path, images: list[str], box_rule: str, *, only_with_objects: bool
) -> dict:
    """Convert images to COCO content."""
    records = categories(root)
    category_ids = {record["encode_name"]: record["id"] for record in records}
    info = {"description": f"from {root.name}, ILSVRC layout", "box_rule": box_rule}
    content: dict = {"info": info, "categories": records, "images": [], "annotations": []}
    paths = [root / f"Annotations/DET/{name}.xml" for name in images]
    frames = in_processes(partial(read_xml, added=BOX_RULES[box_rule]), paths, what="image")
    flat = 0
    for name, frame in zip(images, frames, strict=True):
        wanted = [item for item in frame.objects if item["name"] in category_ids]
        objects = [item for item in wanted if min(item["bbox"][2:]) > 0]
        flat += len(wanted) - len(objects)
        if only_with_objects and not objects:
            continue
        file_name = f"{name}.JPEG"
        if not (root / "Data/DET" / file_name).is_file():
            raise InputError(f"Image {root}/Data/DET/{file_name} not found: download it again.")
        image_id = len(content["images"]) + 1
        width, height = frame.size
        content["images"].append(
            {"id": image_id, "file_name": file_name, "width": width, "height": height}
        )
        for item in objects:
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": category_ids[item["name"]],
                    "bbox": item["bbox"],
                    "area": item["bbox"][2] * item["bbox"][3],
                    "iscrowd": 0,
                }
            )
    if flat:
        print(f"{root}: {flat} boxes without area were left out")
    return content
