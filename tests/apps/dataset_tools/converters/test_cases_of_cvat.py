"""Exports of CVAT and EPIC-KITCHENS as people have them: the right boxes, or the right sentence."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from boxmask_vid.errors import InputError
from support.paths import SHARED
from support.red_boxes import box, boxes_of_pictures, convert, misfits

pytestmark = pytest.mark.needs_shared
CASES = SHARED / "cases/annotations"


@dataclass
class Case:
    """Arguments of a conversion and its result."""

    source: str
    images: str = ""
    videos: str = ""
    format: str = "cvat"
    boxes: dict = field(default_factory=dict)  # picture: boxes
    names: list = field(default_factory=list)  # of the videos
    classes: list = field(default_factory=list)
    keys: int | None = None  # key frames; None for all
    tracks: int = 0
    says: str = ""  # in the last lines
    sentence: str = ""


def street(indices, folder="street", name="frame_{:06d}.png"):
    return {f"{folder}/{name.format(index)}": [box(index)] for index in indices}


TURNED = {f"street/frame_{index:06d}.png": [[30 + 6 * index, 50, 40, 60]] for index in range(6)}
SHAPES = {
    f"shapes/frame_{index:06d}.png": [
        [round(14.645 + 6 * index, 3), 44.645, 70.711, 70.711],
        *([[120 + index, 108, 60, 24]] if index < 3 else []),
    ]
    for index in range(6)
}
CASES_AND_RESULTS = {
    "01_cvat_for_images": Case(
        "01_cvat_for_images/annotations.xml",
        "01_cvat_for_images/frames",
        boxes=street(range(6)),
        names=["street"],
    ),
    "02_cvat_jobs": Case(
        "02_cvat_jobs",
        "02_cvat_jobs/frames",
        boxes=street(range(6), "job_1") | street(range(5), "job_2"),
        names=["job_1", "job_2"],
        tracks=2,
    ),
    "03_cvat_project": Case(
        "03_cvat_project/annotations.xml",
        "03_cvat_project/frames",
        boxes=street(range(6), "north gate (1)") | street(range(5), "south gate (1)"),
        names=["north gate (1)", "south gate (1)"],
        tracks=2,
    ),
    "04_cvat_step, exported pictures": Case(
        "04_cvat_step/step.xml",
        "04_cvat_step/cvat_images",
        boxes=street((0, 5, 10, 15), "road"),
        names=["road"],
        tracks=1,
    ),
    "04_cvat_step, all pictures": Case(
        "04_cvat_step/step.xml",
        "04_cvat_step/all_frames",
        boxes=street((0, 5, 10, 15), "road"),
        names=["road"],
        keys=4,
        tracks=1,
        says="14 frames outside the annotated part",
    ),
    "04_cvat_step, second job": Case(
        "04_cvat_step/second_job.xml",
        "04_cvat_step/all_frames",
        boxes=street(range(10, 16), "second_job"),
        names=["second_job"],
        keys=6,
        tracks=1,
    ),
    "v_s1_step2": Case(
        "v_s1_step2/road.xml",
        "v_s1_step2/frames",
        boxes=street((0, 2, 4), "road"),
        names=["road"],
        tracks=1,
    ),
    "v_s1_step2, all pictures": Case(
        "v_s1_step2/road.xml",
        "v_s1_step2/all",
        boxes=street((0, 2, 4), "road"),
        names=["road"],
        keys=10,
        tracks=1,
    ),
    "v_a_deleted": Case(
        "v_a_deleted/street.xml",
        "v_a_deleted/frames",
        boxes=street((0, 1, 2, 4)),
        names=["street"],
        tracks=1,
        says="1 interpolated boxes on frames without a picture left out",
    ),
    "v_b_count": Case(
        "v_b_count/street.xml",
        "v_b_count/frames",
        sentence=r"6 frames .* street has 12 pictures .*frame_000006.png, .* too many",
    ),
    "v_f_job": Case(
        "v_f_job/job_1.xml",
        "v_f_job/frames",
        sentence=r"frame_000000.png is 640 x 480 pixels, .*job_1.xml says 320 x 240",
    ),
    "v_e_rot": Case(
        "v_e_rot/street.xml", "v_e_rot/frames", boxes=TURNED, names=["street"], tracks=1
    ),
    "05_cvat_tracks, twice": Case(
        "05_cvat_tracks/twice.xml",
        "05_cvat_tracks/frames",
        boxes=street(range(4), "twice"),
        names=["twice"],
        tracks=1,
    ),
    "05_cvat_tracks, shapes": Case(
        "05_cvat_tracks/shapes.xml",
        "05_cvat_tracks/frames",
        boxes=SHAPES,
        names=["shapes"],
        classes=["car", "boat", "walker"],
        tracks=2,
        says="3 skeletons left out",
    ),
    "16_epic": Case(
        "16_epic/EPIC_train_object_labels.csv",
        "16_epic/frames",
        format="epic-kitchens",
        boxes={
            "P04/P04_03/frame_0000015541.png": [
                [227.525, 206.696, 33.25, 49.778],
                [0, 0, 456, 256],
            ],
            "P04/P04_03/frame_0000015601.png": [
                [299.25, 18.015, 44.175, 109.511],
                [23.75, 118.519, 19, 11.852],
            ],
        },
        names=["P04_03"],
        classes=["knife", "bag"],
        keys=3,
    ),
    "v_s11": Case(
        "16_epic/EPIC_train_object_labels.csv",
        videos="v_s11",
        format="epic-kitchens",
        sentence=r"annotates frame 15541, which P04/P04_03.MP4 with its 50 frames .* images at 60",
    ),
    "17_exif": Case(
        "17_exif/labels",
        "17_exif/frames",
        format="yolo",
        boxes={f"clip/{index + 1:06d}.jpg": [box(index)] for index in range(6)},
        names=["clip"],
    ),
    "v_s5_twice": Case(
        "v_s5_twice/labels",
        "v_s5_twice/frames",
        format="yolo",
        sentence=r"two pictures of one frame, 000000.jpg and 000000.png: keep one",
    ),
    "v_s15": Case(
        "v_s15/x.xml", "v_s15/frames", boxes=street(range(6)), names=["street"], tracks=1
    ),
    "v_s17": Case(
        "v_s17",
        "v_s17",
        format="yolo",
        boxes={"day1/clip/000000.png": [box(0)], "flat/000000.png": [box(0)]},
        names=["day1/clip", "flat"],
        keys=2,
    ),
}


@pytest.mark.parametrize("name", CASES_AND_RESULTS)
def test_case(tmp_path: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    case = CASES_AND_RESULTS[name]
    root = CASES / (case.videos or case.images)
    kwargs = {"format": case.format, "root": root, "video_files": bool(case.videos)}
    output = tmp_path / "out.json"
    if case.sentence:
        with pytest.raises(InputError) as caught:
            convert(CASES / case.source, output, **kwargs)
        assert re.search(case.sentence, str(caught.value)), str(caught.value)
        assert not output.exists()
        return
    content = convert(CASES / case.source, output, **kwargs)
    found = boxes_of_pictures(content)
    for picture, boxes in found.items():
        assert boxes == [pytest.approx(bbox, abs=0.01) for bbox in case.boxes.get(picture, [])]
    assert set(case.boxes) <= set(found)
    assert [video["name"] for video in content["videos"]] == case.names
    if case.classes:
        assert [category["name"] for category in content["categories"]] == case.classes
    keys = sum(image.get("is_vid_train_frame", True) for image in content["images"])
    assert keys == (len(found) if case.keys is None else case.keys)
    tracks = {a["instance_id"] for a in content["annotations"] if "instance_id" in a}
    assert len(tracks) == case.tracks
    assert case.says in capsys.readouterr().out
    if case.format != "epic-kitchens" and not {"shapes", "v_e_rot"} & set(name.split(", ")):
        assert not misfits(content, root, tolerance=3)
