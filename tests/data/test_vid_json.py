import copy
import json
import logging
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from boxmask_vid.data import load_vid_json, register_vid_instances
from boxmask_vid.data.datasets import video_index
from boxmask_vid.data.datasets.vid_json import vid_table
from boxmask_vid.errors import InputError

GOOD = {
    "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
    "videos": [{"id": 7, "name": "v7"}, {"id": 3, "name": "v3"}],
    "images": [
        {
            "id": 30,
            "video_id": 7,
            "frame_id": 1,
            "file_name": "v7/1.jpg",
            "width": 64,
            "height": 48,
        },
        {
            "id": 20,
            "video_id": 7,
            "frame_id": 0,
            "file_name": "v7/0.jpg",
            "width": 64,
            "height": 48,
        },
        {
            "id": 10,
            "video_id": 3,
            "frame_id": 0,
            "file_name": "v3/0.jpg",
            "width": 32,
            "height": 24,
        },
    ],
    "annotations": [
        {"id": 1, "image_id": 20, "category_id": 9, "instance_id": 5, "bbox": [1, 2, 10, 12]},
        {"id": 2, "image_id": 20, "category_id": 4, "bbox": [3, 4, 5, 6], "iscrowd": 1},
        {"id": 3, "image_id": 10, "category_id": 4, "instance_id": 6, "bbox": [0, 0, 32, 24]},
    ],
}


def write(folder: Path, content: object) -> str:
    path = folder / "annotations.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_frames_in_order_with_detectron2s_keys(tmp_path):
    register_vid_instances("vid_json_test", {"source": "test"}, write(tmp_path, GOOD), "/images")
    records = DatasetCatalog.get("vid_json_test")
    assert [(r["video_id"], r["frame_index"], r["image_id"]) for r in records] == [
        (3, 0, 10),
        (7, 0, 20),
        (7, 1, 30),
    ]
    assert records[1] == {
        "file_name": "/images/v7/0.jpg",
        "image_id": 20,
        "height": 48,
        "width": 64,
        "dataset_name": "vid_json_test",
        "video_id": 7,
        "frame_index": 0,
        "annotations": [
            {
                "bbox": [1.0, 2.0, 10.0, 12.0],
                "bbox_mode": BoxMode.XYWH_ABS,
                "category_id": 1,
                "track_id": 5,
                "iscrowd": 0,
            },
            {
                "bbox": [3.0, 4.0, 5.0, 6.0],
                "bbox_mode": BoxMode.XYWH_ABS,
                "category_id": 0,
                "track_id": -1,
                "iscrowd": 1,
            },
        ],
    }
    metadata = MetadataCatalog.get("vid_json_test")
    assert metadata.thing_classes == ["cat", "dog"]
    assert metadata.thing_dataset_id_to_contiguous_id == {4: 0, 9: 1}
    assert (metadata.evaluator_type, metadata.source) == ("vid", "test")
    index = video_index("vid_json_test")
    assert index.length(("vid_json_test", 7)) == 2
    assert index.file_name(("vid_json_test", 7), 1) == "/images/v7/1.jpg"


def test_key_frames_are_those_that_are_marked(tmp_path):
    content = copy.deepcopy(GOOD)
    content["images"][0]["is_vid_train_frame"] = True
    path = write(tmp_path, content)
    assert [r["image_id"] for r in load_vid_json(path, "")] == [30]
    assert len(load_vid_json(path, "", key_frames_only=False)) == 3
    register_vid_instances("vid_json_keys", {}, path, "")
    assert len(DatasetCatalog.get("vid_json_keys")) == 1
    # frames that are not key frames still serve as references
    assert video_index("vid_json_keys").length(("vid_json_keys", 7)) == 2


def test_index_of_several_data_sets(tmp_path):
    path = write(tmp_path, GOOD)
    names = ("vid_json_first", "vid_json_second")
    for name in names:
        register_vid_instances(name, {}, path, f"/{name}")
    MetadataCatalog.get("vid_json_stills").set(evaluator_type="coco")
    index = video_index("vid_json_first", "vid_json_stills", "vid_json_second")
    assert len(index) == 4
    for name in names:
        assert index.length((name, 3)) == 1
        files = [index.file_name((name, 7), frame) for frame in range(2)]
        assert files == [f"/{name}/v7/0.jpg", f"/{name}/v7/1.jpg"]
    assert len(video_index()) == len(video_index("vid_json_stills")) == 0


def test_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path, GOOD)
    assert len(load_vid_json(path, "")) == 3
    content = copy.deepcopy(GOOD)
    content["images"].append({**content["images"][2], "id": 11, "frame_id": 1})
    write(tmp_path, content)
    assert len(load_vid_json(path, "")) == 4


def without(section: str, row: int, field: str):
    def change(content: dict) -> None:
        del content[section][row][field]

    return change


def setting(section: str, row: int, **fields: object):
    def change(content: dict) -> None:
        content[section][row].update(fields)

    return change


BAD = {
    "no videos": (lambda c: c.pop("videos"), "it has no list 'videos'.*register_coco_instances"),
    "image without video": (
        without("images", 1, "video_id"),
        "image 20, file_name v7/0.jpg has no 'video_id'",
    ),
    "image of no video": (setting("images", 1, video_id=8), "video_id 8, which is not in 'videos'"),
    "gap in frame_id": (setting("images", 0, frame_id=2), "video 7 lacks 1, next is frame_id 2"),
    "repeated frame_id": (setting("images", 0, frame_id=0), "video 7 repeats frame_id 0"),
    "frames from 1": (setting("images", 2, frame_id=1), "video 3 lacks 0, next is frame_id 1"),
    "no frame_id": (without("images", 0, "frame_id"), "image 30.* has no 'frame_id'"),
    "frame_id no number": (setting("images", 0, frame_id="x"), "'frame_id' 'x'.*whole number"),
    "no images": (lambda c: c.update(images=[]), "the data set is empty"),
    "no categories": (lambda c: c.update(categories=[]), "it has no categories"),
    "repeated image id": (setting("images", 0, id=10), "'images' has id 10 more than once"),
    "repeated category id": (
        setting("categories", 0, id=4),
        "'categories' has id 4 more than once",
    ),
    "unknown category": (
        setting("annotations", 0, category_id=77),
        "annotation 1 of image_id 20 has category_id 77, which is not in 'categories'",
    ),
    "unknown image": (
        setting("annotations", 0, image_id=99),
        "image_id 99, which is not in 'images'",
    ),
    "no area": (
        setting("annotations", 0, bbox=[1, 2, 0, 5]),
        r"bbox \[1, 2, 0, 5\], which has no area",
    ),
    "negative size": (setting("annotations", 0, bbox=[9, 9, -4, 5]), "which has no area"),
    "outside": (setting("annotations", 0, bbox=[64, 2, 9, 9]), "which lies outside its image"),
    "outside left": (setting("annotations", 0, bbox=[-9, 2, 9, 9]), "which lies outside its image"),
    "no box": (without("annotations", 0, "bbox"), "bbox None, which is not a list of four numbers"),
    "three numbers": (setting("annotations", 0, bbox=[1, 2, 3]), "is not a list of four numbers"),
    "infinite": (setting("annotations", 0, bbox=[1, 2, float("inf"), 4]), "which is not finite"),
    "area no number": (setting("annotations", 0, area="big"), "area 'big': it must be a finite"),
    "area null": (setting("annotations", 0, area=None), "area None: it must be a finite number"),
    "area infinite": (
        setting("annotations", 0, area=float("inf")),
        "area inf: it must be a finite",
    ),
    "no size": (without("images", 0, "height"), "image 30.* has no 'height'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_sentence(tmp_path, name: str):
    change, expected = BAD[name]
    content = copy.deepcopy(GOOD)
    change(content)
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=expected) as error:
        load_vid_json(path, "")
    message = str(error.value)
    assert message.startswith(path)
    assert "\n" not in message


def test_not_json_and_not_there(tmp_path):
    path = write(tmp_path, '{"images": [')
    with pytest.raises(InputError, match="is not JSON"):
        load_vid_json(path, "")
    with pytest.raises(InputError, match="has no list"):
        load_vid_json(write(tmp_path, "[]"), "")
    with pytest.raises(FileNotFoundError, match=r"Annotation file .* not found"):
        load_vid_json(str(tmp_path / "nowhere.json"), "")


def test_boxes_over_the_edge_are_kept_and_slivers_left_out_with_a_warning(tmp_path, caplog):
    content = copy.deepcopy(GOOD)
    content["annotations"][0]["bbox"] = [60, 40, 20, 20]
    content["annotations"][2]["bbox"] = [3, 3, 0.5, 9]
    with caplog.at_level(logging.WARNING):
        records = load_vid_json(write(tmp_path, content), "")
    assert [len(r["annotations"]) for r in records] == [0, 2, 0]
    assert "1 boxes reach over the edge" in caplog.text
    assert "annotation 1 of image_id 20" in caplog.text
    assert "1 boxes less than a pixel wide or high left out in training" in caplog.text
    table = vid_table(content, "slivers")
    assert len(table.boxes) == 3  # the scorers count it
    assert 4.5 in table.areas


@pytest.mark.needs_shared
def test_real_clips_with_ids_that_are_not_contiguous(shared):
    root = shared / "data/mini_vid"
    names = []
    for split, frames, keys in (("train", 647, 405), ("val", 290, 290)):
        path = str(root / f"instances_{split}.json")
        assert len(load_vid_json(path, str(root / "frames"))) == keys
        records = load_vid_json(path, str(root / "frames"), f"mini_{split}", key_frames_only=False)
        assert len(records) == frames
        assert all(Path(record["file_name"]).is_file() for record in records)
        labels = {a["category_id"] for r in records for a in r["annotations"]}
        assert labels == set(range(10 if split == "train" else 9))
        names.append(MetadataCatalog.get(f"mini_{split}").thing_classes)
    assert names[0] == names[1]  # "backpack" has no box in val and is a class all the same
    assert names[0][-1] == "backpack"
