"""JSON files as people have them (../shared/cases/json), and small ones of the same kinds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boxmask_vid.apps.dataset_tools.check_data import check_vid_json
from boxmask_vid.data import load_vid_json
from boxmask_vid.data.datasets.vid_json import vid_table
from boxmask_vid.errors import InputError
from boxmask_vid.evaluation import GroundTruth
from support.paths import PROJECT, SHARED
from support.small import CONFIG
from support.vid_content import healthy

CASES = SHARED / "cases/json"
FRAMES = 6
BOXES = [[20 + 6 * frame, 60, 60, 40] for frame in range(FRAMES)]
# file: whether it is valid as it is, what is said, boxes after --fix (None: nothing is written)
CHECKED = {
    "15_coco/unknown_size.json": (False, "unknown sizes", BOXES),
    "15_coco/zero_boxes.json": (False, "boxes without area", BOXES),
    "15_coco/ids_restart.json": (False, "annotations: id 1, 6 times", BOXES),
    "15_coco/from_one.json": (False, "no frame 0", BOXES),
    "15_coco/every_fifth.json": (False, "no frame 1", BOXES),
    "15_coco/string_ids.json": (False, "id is '0', a text", BOXES),
    "15_coco/float_ids.json": (False, "id is 0.0, a fraction", BOXES),
    "15_coco/plain_coco.json": (False, "register_coco_instances(NAME, {}, JSON, IMAGES)", None),
    "15_coco/label_studio_video.json": (False, "Label Studio's JSON of videos: convert", None),
    "34_train/train.json": (True, "videos without frames", BOXES),
    "34_train/with_background.json": (True, "_background_", BOXES),
    "33_crowds/train.json": (False, "none to train on or to score: 6 in all, 6 ignored", None),
}


@pytest.mark.needs_shared
@pytest.mark.parametrize("case", CHECKED)
def test_checked_and_fixed(tmp_path, capsys, case):
    source, fixed = CASES / case, tmp_path / "fixed.json"
    is_valid, sentence, boxes = CHECKED[case]
    before = source.read_bytes()
    root = source.parent / "frames"
    assert check_vid_json(source, images=root) == is_valid
    assert sentence in capsys.readouterr().out
    assert check_vid_json(source, images=root, fixed=fixed) == (boxes is not None)
    said = capsys.readouterr().out
    assert source.read_bytes() == before
    if boxes is None and "crowds" not in case:
        assert f"--fix has written nothing to {fixed}: " in said
        assert not fixed.exists()
        return
    records = load_vid_json(str(fixed), str(root))
    assert [(record["width"], record["height"]) for record in records] == [(320, 240)] * FRAMES
    found = [box["bbox"] for record in records for box in record["annotations"]]
    assert found[:FRAMES] == BOXES


@pytest.mark.needs_shared
def test_a_mistyped_root_removes_nothing(tmp_path, capsys):
    source, fixed = CASES / "34_train/train.json", tmp_path / "fixed.json"
    assert not check_vid_json(source, images=tmp_path / "farmes", fixed=fixed)
    assert f"none of the 6 images is below {tmp_path}/farmes" in capsys.readouterr().out
    assert not fixed.exists()


@pytest.mark.needs_shared
def test_splits_with_swapped_classes(capsys):
    other = CASES / "34_train/val_swapped.json"
    assert not check_vid_json(CASES / "34_train/train_two.json", images=None, others=[other])
    assert "['car', 'bus'] here, ['bus', 'car'] in" in capsys.readouterr().out


@pytest.mark.needs_shared
def test_track_id_and_ignore():
    table = vid_table(json.loads((CASES.parent / "annotations/s9_track_id.json").read_text()), "s9")
    assert table.tracks.tolist() == [1] * FRAMES
    assert table.is_crowd.tolist() == [True] + [False] * (FRAMES - 1)
    assert table.boxes.tolist() == BOXES


@pytest.mark.needs_shared
def test_bytetracks_json_is_fixed(tmp_path):
    folder, fixed = CASES.parent / "annotations/v_u3_bytetrack", tmp_path / "fixed.json"
    assert check_vid_json(folder / "train.json", images=folder, fixed=fixed)
    records = load_vid_json(str(fixed), str(folder))
    boxes = [(box["bbox"], box["track_id"]) for record in records for box in record["annotations"]]
    assert boxes == [(box, 1) for box in BOXES]


@pytest.mark.needs_shared
@pytest.mark.slow
def test_a_training_on_crowds_only_ends_with_a_sentence(tmp_path):
    folder = CASES / "33_crowds"
    command = [sys.executable, "-W", "ignore", PROJECT / "train_net.py", "--config-file", CONFIG]
    command += ["--dataset", "crowds", folder / "train.json", folder / "frames"]
    options = {"OUTPUT_DIR": tmp_path, "DATASETS.TRAIN": "('crowds',)", "DATASETS.TEST": "()"}
    options |= {"MODEL.DEVICE": "cpu", "MODEL.ROI_HEADS.NUM_CLASSES": 1, "MODEL.WEIGHTS": ""}
    command += [word for pair in options.items() for word in pair]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("error: No frame to train on in crowds")
    assert "neither iscrowd nor ignore" in sentence
    assert "Traceback" not in done.stdout + done.stderr


OTHER_FORMATS = {
    "detections": ([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}], "score"),
    "minimal Label Studio": ([{"video": "a.mp4", "box": [{"sequence": []}]}], "label-studio"),
    "Label Studio's stills": ([{"data": {"image": "a.png"}, "annotations": []}], "as COCO"),
    "YouTube-VIS": ({"videos": [{"id": 1, "file_names": []}], "annotations": None}, "youtube-vis"),
}


@pytest.mark.parametrize("case", OTHER_FORMATS)
def test_other_formats_are_named_with_a_way_out(case):
    content, way_out = OTHER_FORMATS[case]
    with pytest.raises(InputError, match=rf"THIS: it is .*{way_out}"):
        vid_table(content, "THIS")


def test_the_ways_out_exist():
    done = subprocess.run(
        [sys.executable, PROJECT.parents[1] / "datasets/convert_to_coco_vid.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in ("youtube-vis", "label-studio"):
        assert name in done.stdout


def test_track_id_counts_where_there_is_no_instance_id():
    content = healthy()
    for track, annotation in enumerate(content["annotations"]):
        annotation["track_id"] = track
        if track % 2:
            del annotation["instance_id"]
    assert vid_table(content, "tracks").tracks.tolist() == [1, 1, 1, 3, 2, 5]
    content["annotations"][1]["track_id"] = "seven"
    with pytest.raises(
        InputError, match=r"annotation 2 .* has 'track_id' 'seven', a text: it must"
    ):
        vid_table(content, "tracks")


def test_ignored_boxes_are_not_ground_truth(tmp_path):
    content = healthy()
    content["annotations"][0]["ignore"] = 1
    content["annotations"][1]["iscrowd"] = True
    content["annotations"][2]["ignore"] = False
    truth = GroundTruth.from_coco(content)
    assert truth.is_crowd.tolist() == [True, True, False, False, False, False]
    (tmp_path / "a.json").write_text(json.dumps(content))
    records = load_vid_json(str(tmp_path / "a.json"), "")
    assert [record["annotations"][0]["iscrowd"] for record in records] == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("value", ["1", 1.0, 1.5, [1], {}, None])
def test_an_id_of_another_kind_is_named(tmp_path, capsys, value):
    content = healthy()
    content["images"][0]["id"] = value
    path = Path(tmp_path / "a.json")
    path.write_text(json.dumps(content))
    assert not check_vid_json(path, images=None)
    kind = {str: "'1', a text", float: "a fraction", list: "a list", dict: "a record"}
    assert kind.get(type(value), "null") in capsys.readouterr().out
