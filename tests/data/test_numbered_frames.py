"""Pictures are sorted into clips and matched with frames; or one sentence says why not."""

import numpy as np
import pytest
from PIL import Image

from boxmask_vid.data.datasets.frame_matching import match_frames
from boxmask_vid.data.datasets.numbered_frames import (
    HIDDEN_FILES,
    OTHER_FILES,
    list_pictures,
    natural_order,
    one_clip,
    split_clips,
)
from boxmask_vid.errors import InputError


def pictures(numbers, pattern="v/{:06d}.png"):
    return one_clip([pattern.format(number) for number in numbers], "v")


def matched(numbers, frames, boxes_on=None, **kwargs):
    boxes_on = frames if boxes_on is None else boxes_on
    return match_frames(pictures(numbers), frames, boxes_on, where="a.xml", **kwargs)


@pytest.mark.parametrize(
    ("numbers", "frames", "offset"),
    [
        (range(6), range(6), 0),
        (range(1, 7), range(6), 1),  # ffmpeg counts from 1
        (range(6), range(1, 7), -1),  # CVAT's MOT: pictures from 0, frames from 1
        (range(372, 378), range(6), 372),
        (range(372, 378), range(372, 378), 0),
        (range(0, 20, 5), range(0, 20, 5), 0),
    ],
)
def test_a_complete_set_of_pictures(numbers, frames, offset):
    places = matched(numbers, frames)
    assert [list(numbers)[places[frame]] - frame for frame in frames] == [offset] * len(frames)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("numbers", [(0, 1, 2, 4, 5), (0, 5), (0, 2, 4, 5)])
def test_pictures_of_frames_without_boxes_may_be_missing(numbers, first):
    places = matched([number + first for number in numbers], range(6), boxes_on=[0, 5])
    assert places == {number: index for index, number in enumerate(numbers)}


def test_listed_frames_may_be_missing_at_the_ends():
    places = matched((1, 2, 4), range(6), boxes_on=[1, 2, 4], are_listed=True)
    assert places == {1: 0, 2: 1, 4: 2}
    with pytest.raises(InputError, match=r"without pictures of frames 0 at an end"):
        matched(range(1, 6), range(6), boxes_on=[1, 2, 4], are_listed=True)


def test_a_part_of_a_video_with_all_its_pictures():
    frames = range(10, 16)
    assert matched(range(18), frames, more_pictures=True) == {f: f for f in frames}
    frames = range(0, 18, 5)
    assert matched(range(18), frames, more_pictures=True) == {f: f for f in frames}


@pytest.mark.parametrize(
    ("numbers", "frames", "boxes_on", "more_pictures", "message"),
    [
        (range(12), range(6), None, False, r"6 frames .*12 pictures .*000006.png.* too many"),
        (range(7), range(6), None, False, r"with 000006.png too many"),
        ((0, 1, 2, 4, 5), range(6), None, False, r"without a picture of frame 3, which has boxes"),
        (range(1, 6), range(6), [1, 2, 3, 4], False, r"without pictures of frames 0 at an end"),
        (range(6), range(12), range(6), False, r"without pictures of frames 6, 7, ..., 11 at an"),
        (range(4), range(0, 20, 5), None, False, r"without a picture of frame 5, 10, 15"),
        (range(6), range(10, 16), None, False, r"without a picture of frame 10"),
        (range(11, 17), range(10, 16), None, False, r"without a picture of frame 10, which"),
        (range(1, 18), range(6), None, True, r"do not tell which picture is which frame"),
        (range(1, 19), range(10, 16), None, True, r"do not tell which picture is which frame"),
        ((*range(3), *range(4, 18)), range(10, 16), None, True, r"too many"),
        (range(12), range(10, 16), None, True, r"without a picture of frame 12, 13, ..., 15"),
        ((0, 1, 2, 3, 4, 9), range(6), [0], False, r"numbers are not those of the frames"),
    ],
)
def test_what_cannot_be_matched_gets_a_sentence(numbers, frames, boxes_on, more_pictures, message):
    with pytest.raises(InputError, match=message):
        matched(numbers, frames, boxes_on, more_pictures=more_pictures)


def test_names_without_numbers_are_in_their_order():
    clip = one_clip(["v/b.png", "v/a.png"], "v")
    assert match_frames(clip, range(2), [0], where="a.xml") == {0: 0, 1: 1}
    assert clip.files == ("v/a.png", "v/b.png")
    with pytest.raises(InputError, match=r"has 3 frames, v has 2 pictures without numbers"):
        match_frames(clip, range(3), [0], where="a.xml")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["v/f10.png", "v/f9.png"], [("v", (9, 10))]),
        (
            ["a_0.png", "a_1.png", "b_0.png", "b_1.png"],
            [("a", (0, 1)), ("b", (0, 1))],
        ),
        (  # numbers that go on, but another name before them
            ["day1_000.png", "day1_001.png", "day2_002.png", "day2_003.png"],
            [("day1", (0, 1)), ("day2", (2, 3))],
        ),
        (  # as Roboflow names them
            ["t/a_mp4-0000_jpg.rf.0123abcd.jpg", "t/a_mp4-0001_jpg.rf.99.jpg", "t/b-0000.jpg"],
            [("t/a_mp4", (0, 1)), ("t/b", (0,))],
        ),
        (["x/a/0.png", "x/a/1.png", "x/b/0.png"], [("x/a", (0, 1)), ("x/b", (0,))]),
        (["s_000001_left8bit.png", "s_000002_left8bit.png"], [("s", (1, 2))]),
        (["frame_0001_0.033s.png", "frame_0002_0.066s.png"], [("frame", (1, 2))]),
        (["v/a.png", "v/b.png"], [("v", None)]),
        (["v/7.png"], [("v", (7,))]),
    ],
)
def test_clips(names, expected):
    for order in (names, names[::-1]):
        assert [(clip.name, clip.numbers) for clip in split_clips(order)] == expected
    assert sorted(file for clip in split_clips(names) for file in clip.files) == sorted(names)


def test_a_picture_that_is_no_frame_is_named():
    with pytest.raises(InputError, match=r"clips, such as f_0.png and cover.jpg: give each"):
        one_clip(["v/cover.jpg", "v/f_0.png", "v/f_1.png"], "v")


@pytest.mark.parametrize("other", ["v/f_8.jpg", "v/f_008.png", "v/f_00.png"])
def test_a_picture_that_is_called_otherwise_is_named(other):
    names = [f"v/f_{index}.png" for index in range(9, 12)]
    with pytest.raises(InputError, match=rf"has {other[2:]} among pictures that are called like f"):
        one_clip([*names, other], "v")
    assert one_clip([*names, "v/f_100.PNG"], "v").numbers == (9, 10, 11, 100)
    assert one_clip(["v/f_1_0.5s.png", "v/f_2_0.03s.png"], "v").numbers == (1, 2)


def write(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / name)


def test_files_that_are_left_out_are_counted(tmp_path):
    write(tmp_path, "f10.png", "f9.png", "._f9.png")
    (tmp_path / "Thumbs.db").write_text("x")
    (tmp_path / "f9.txt").write_text("0 0.5 0.5 1 1")
    (tmp_path / "folder.png").mkdir()
    found, left_out = list_pictures(tmp_path)
    assert [path.name for path in found] == ["f9.png", "f10.png"]
    assert left_out == {HIDDEN_FILES: 1, OTHER_FILES: 1}


@pytest.mark.parametrize("names", [("0.png", "0.jpg"), ("f1.png", "f01.png")])
def test_two_pictures_of_a_frame_are_named(tmp_path, names):
    write(tmp_path, "f5.png", *names)
    with pytest.raises(InputError, match=r"two pictures of one frame, \S+ and \S+: keep one"):
        list_pictures(tmp_path)


def test_natural_order():
    assert sorted(["a10", "a9", "10", "9", "b"], key=natural_order) == ["9", "10", "a9", "a10", "b"]
