import json
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from PIL import Image

from boxmask_vid.apps.dataset_tools.converters.imagenet_det import convert_imagenet_det
from boxmask_vid.data import build_vid_train_loader
from boxmask_vid.data.datasets.imagenet_vid_categories import CLASS_NAMES
from boxmask_vid.engine import build_cfg
from boxmask_vid.engine.trainer import Trainer
from boxmask_vid.errors import InputError
from support.ilsvrc import OBJECT, XML, assert_refused, write_list
from support.paths import CONFIGS
from support.small import SMALLEST

DOG, PERSON = "n02084071", "n00007846"  # a class of VID, and one that only DET has
FOLDER = "train/ILSVRC2013_train/n02084071"


def write_images(root: Path, *names: str, classes: tuple[str, ...] = (DOG,)) -> None:
    """Still images of 64 x 48 pixels with a box of each class."""
    objects = "".join(OBJECT.format(track=0, name=name) for name in classes)
    for name in names:
        for kind, suffix in (("Data", "JPEG"), ("Annotations", "xml")):
            (root / f"{kind}/DET/{name}.{suffix}").parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48)).save(root / f"Data/DET/{name}.JPEG")
        (root / f"Annotations/DET/{name}.xml").write_text(XML.format(objects=objects))


def convert(root: Path, **kwargs) -> dict:
    return json.loads(convert_imagenet_det(root, root / "out", **kwargs).read_text())


def test_listed_images_once_each_with_their_objects_of_the_classes(tmp_path, capsys):
    write_images(tmp_path, f"{FOLDER}/a", f"{FOLDER}/b", f"{FOLDER}/c", classes=(DOG, PERSON))
    write_list(tmp_path, "DET_train_30classes.txt", *[f"{FOLDER}/{name} 1" for name in "bab"])
    content = convert(tmp_path)
    assert [image["file_name"] for image in content["images"]] == [
        f"{FOLDER}/b.JPEG",
        f"{FOLDER}/a.JPEG",
    ]
    assert [annotation["bbox"] for annotation in content["annotations"]] == [[11, 16, 10, 20]] * 2
    assert {annotation["category_id"] for annotation in content["annotations"]} == {9}
    assert tuple(category["name"] for category in content["categories"]) == CLASS_NAMES
    assert content["info"]["box_rule"] == "inclusive"
    assert "3 rows, 1 of them repeated" in capsys.readouterr().out


def test_a_missing_list_is_derived_from_the_annotations_and_that_is_said(tmp_path, capsys):
    write_images(tmp_path, f"{FOLDER}/a", "train/ILSVRC2014_train_0000/b")
    write_images(tmp_path, f"{FOLDER}/other", classes=(PERSON,))
    content = convert(tmp_path, box_rule="short")
    assert [Path(image["file_name"]).stem for image in content["images"]] == ["a", "b"]
    assert content["annotations"][0]["bbox"] == [11, 16, 9, 19]
    assert "has no DET_train_30classes.txt" in capsys.readouterr().out


def test_boxes_without_area_by_the_short_rule_are_left_out_and_that_is_said(tmp_path, capsys):
    write_images(tmp_path, f"{FOLDER}/a")
    path = tmp_path / f"Annotations/DET/{FOLDER}/a.xml"
    line = OBJECT.replace("<xmax>20", "<xmax>11").format(track=0, name=DOG)
    path.write_text(path.read_text().replace("</annotation>", f"{line}</annotation>"))
    assert len(convert(tmp_path)["annotations"]) == 2
    assert len(convert(tmp_path, box_rule="short")["annotations"]) == 1
    assert "1 boxes without area were left out" in capsys.readouterr().out


def no_image(root: Path) -> None:
    write_images(root, f"{FOLDER}/a")
    (root / f"Data/DET/{FOLDER}/a.JPEG").unlink()


def no_annotation(root: Path) -> None:
    write_images(root, f"{FOLDER}/a")
    write_list(root, "DET_train_30classes.txt", f"{FOLDER}/b 1")


def another_list(root: Path) -> None:
    write_images(root, f"{FOLDER}/a")
    write_list(root, "DET_train_30classes.txt", "n02084071_1 1")


def a_list_of_videos(root: Path) -> None:
    write_images(root, f"{FOLDER}/a")
    write_list(root, "DET_train_30classes.txt", "train/a/s 1 0 4")


def no_object(root: Path) -> None:
    write_images(root, f"{FOLDER}/a", classes=(PERSON,))


def no_stills(root: Path) -> None:
    for name in ("Data", "Annotations"):
        (root / name).mkdir(parents=True)


BROKEN = {
    no_image: r"Image .*a.JPEG not found: download it",
    no_annotation: r"Annotation .*b.xml not found: download it",
    another_list: r"row 1: 'n02084071_1 1' is not 'train/<image> 1'",
    a_list_of_videos: r"row 1: 'train/a/s 1 0 4' is not a name and 1 numbers",
    no_object: r"has no object of the classes of VID",
    no_stills: r"has no still images: there must be",
}


@pytest.mark.parametrize("make", BROKEN, ids=lambda make: make.__name__)
def test_bad_trees_get_one_clear_sentence_and_leave_no_file(tmp_path, make):
    make(tmp_path)
    assert_refused(convert, tmp_path, BROKEN[make])


@pytest.fixture
def still_images(tmp_path, synthetic_datasets) -> str:
    """A registered set of still images with the classes of the small synthetic videos."""
    images = [f"{FOLDER}/{index}" for index in range(10)]
    write_images(tmp_path, *images)
    content = convert(tmp_path)
    names = MetadataCatalog.get(synthetic_datasets[0]).get("thing_classes") or [
        "striped_disc",
        "dotted_disc",
        "striped_square",
        "dotted_square",
    ]
    content["categories"] = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
    for annotation in content["annotations"]:
        annotation["category_id"] = 1
    path = tmp_path / "stills.json"
    path.write_text(json.dumps(content))
    register_coco_instances("small_stills", {}, str(path), str(tmp_path / "Data/DET"))
    yield "small_stills"
    DatasetCatalog.remove("small_stills")
    MetadataCatalog.remove("small_stills")


def joint_cfg(stills: str, videos: str, *opts: object):
    """A stock config, small, that trains on videos and still images."""
    config = str(CONFIGS / "ImageNetVID/boxmask_selsa_troi_R_50_DC5_7e.yaml")
    small = ["MODEL.BACKBONE.FREEZE_AT", "0", "MODEL.ROI_HEADS.NUM_CLASSES", "4"]
    sizes = ["INPUT.MIN_SIZE_TRAIN", "(96,)", "INPUT.MAX_SIZE_TRAIN", "128"]
    names = ["DATASETS.TRAIN", f"('{videos}', '{stills}')"]
    return build_cfg(config, [*SMALLEST, *small, *sizes, *names, *map(str, opts)])


def test_videos_and_still_images_are_trained_together(tmp_path, still_images, synthetic_datasets):
    cfg = joint_cfg(
        *(still_images, synthetic_datasets[0], "SOLVER.IMS_PER_BATCH", 4),
        *("SOLVER.REFERENCE_WORLD_SIZE", 0, "SOLVER.MAX_ITER", 3, "OUTPUT_DIR", tmp_path / "out"),
        *("DATASETS.TEST", "()", "SOLVER.STEPS", "()"),
    )
    trainer = Trainer(cfg)
    trainer.train()
    losses = trainer.storage.histories()["total_loss"].values()
    assert len(losses) == 3
    assert np.isfinite([value for value, _ in losses]).all()


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_the_mixing_ratio_is_a_setting(still_images, synthetic_datasets, factor):
    sampler = ("DATALOADER.SAMPLER_TRAIN", "WeightedTrainingSampler")
    factors = ("DATASETS.TRAIN_REPEAT_FACTOR", f"[['{still_images}', {factor}]]")
    cfg = joint_cfg(
        *(still_images, synthetic_datasets[0], *sampler, *factors),
        *("SOLVER.IMS_PER_BATCH", 4, "SOLVER.REFERENCE_WORLD_SIZE", 0),
    )
    loader = iter(build_vid_train_loader(cfg, mapper=_name_of_the_data_set))
    stills = [name == "stills" for _ in range(150) for name in next(loader)]
    videos = len(DatasetCatalog.get(synthetic_datasets[0]))
    expected = 10 * factor / (10 * factor + videos)
    assert np.mean(stills) == pytest.approx(expected, abs=0.04)


def _name_of_the_data_set(record: dict) -> str:
    return record.get("dataset_name", "stills")


@pytest.mark.parametrize("pair", ["['nothing', 2.0]", "['small_vid_train', 0.0]"])
def test_a_mixing_ratio_that_cannot_be_gets_a_sentence(still_images, synthetic_datasets, pair):
    sampler = ("DATALOADER.SAMPLER_TRAIN", "WeightedTrainingSampler")
    cfg = joint_cfg(
        *(still_images, synthetic_datasets[0], *sampler),
        *("DATASETS.TRAIN_REPEAT_FACTOR", f"[{pair}]", "SOLVER.REFERENCE_WORLD_SIZE", 0),
    )
    with pytest.raises(
        InputError, match=r"it takes names of DATASETS.TRAIN \(small_vid_train, small"
    ):
        build_vid_train_loader(cfg)
