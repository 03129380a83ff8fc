"""Pictures as frames: folders, globs, lists, animations, arrays."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from boxmask_vid.errors import InputError
from boxmask_vid.video import open_frames
from support.numbered_videos import number_of, numbered, write_numbered


def write(folder: Path, names: dict[str, int]) -> Path:
    """Pictures that show numbers, by name."""
    for name, number in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), numbered(number))
    return folder


def shown(source: object) -> list[int]:
    return [number_of(frame) for frame in open_frames(source)]


@pytest.mark.parametrize("pattern", ["{}.png", "frame{}_clip.png", "a2_{}.jpg", "x.{}.bmp"])
def test_numbers_in_names_are_the_order(tmp_path, pattern):
    folder = write(tmp_path, {pattern.format(number): number for number in range(8, 13)})
    (folder / "._8.png").write_bytes(b"\x00\x05\x16\x07")
    (folder / "notes.txt").write_text("")
    assert shown(folder) == list(range(8, 13))
    assert shown(f"{folder}/*{Path(pattern).suffix}") == list(range(8, 13))


def test_folders_of_a_glob_are_in_order_too(tmp_path):
    names = {f"part{part}/{frame}.png": 4 * part + frame for part in (9, 10) for frame in range(4)}
    write(tmp_path, names)
    assert shown(f"{tmp_path}/part*/*.png") == list(range(36, 44))


@pytest.mark.parametrize(
    "names", [("7.png", "7.jpg"), ("7.png", "007.png"), ("a_1.png", "a_01.png")]
)
def test_two_pictures_of_one_number_are_refused(tmp_path, names):
    write(tmp_path, dict.fromkeys(names, 1))
    for source in (tmp_path, f"{tmp_path}/*"):
        with pytest.raises(InputError, match="has two pictures of one frame"):
            open_frames(source)


def test_files_of_a_list_are_in_its_order(tmp_path):
    write(tmp_path, {"b.png": 1, "a.png": 2, "10.png": 3, "9.png": 4})
    paths = [tmp_path / name for name in ("b.png", "a.png", "10.png", "9.png")]
    assert shown(paths) == shown(list(map(str, paths))) == shown(tuple(paths)) == [1, 2, 3, 4]
    for disordered in (iter(paths), tmp_path.glob("*.png"), set(map(str, paths))):
        with pytest.raises(InputError, match=r"Frame 0 is the path .*: give a list of them"):
            shown(disordered)
    pages = [Image.fromarray(numbered(number)) for number in range(3)]
    for name in ("anim.png", "anim.gif", "anim.tif"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        with pytest.raises(InputError, match=rf"Frame 1 is .*{name}, which has 3 pictures"):
            open_frames([paths[0], tmp_path / name])
    with pytest.raises(FileNotFoundError, match=r"none\.png of frame 1 not found"):
        open_frames([paths[0], tmp_path / "none.png"])
    video = write_numbered(tmp_path / "v.mp4", range(3))
    with pytest.raises(InputError, match=r"Frame 1 is the video .*v\.mp4: give videos one by one"):
        open_frames([paths[0], video])
    with pytest.raises(InputError, match="Frame 1 is of type ndarray and others are file names"):
        open_frames([paths[0], numbered(1)])


def test_a_broken_picture_costs_a_frame(tmp_path):
    write(tmp_path, {f"{number}.png": number for number in range(6)})
    (tmp_path / "3.png").write_text("no picture")
    read = []
    with pytest.raises(InputError, match=r"Image .*/3\.png cannot be read: replace it"):
        read.extend(open_frames(tmp_path).frames())
    assert [frame.number for frame in read] == [0, 1, 2, 4, 5]
    assert [number_of(image) for image in open_frames(tmp_path).pick([2, 3, 4])] == [2, 2, 4]


def test_what_a_glob_or_a_folder_has_instead_of_images(tmp_path):
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        write_numbered(tmp_path / "videos" / name, range(2))
    write(tmp_path, {"nested/one/1.png": 1, "clip[1]/1.png": 1, "clip[1]/2.png": 2})
    (tmp_path / "empty").mkdir()
    (tmp_path / "camcorder").mkdir()
    (tmp_path / "camcorder/00001.MTS").touch()
    reasons = {
        "camcorder": r"has no images but videos \(00001\.MTS\)",
        "camcorder/*": r"matches videos \(00001\.MTS\)",
        "videos": r"has no images but videos \(a\.mp4, b\.mp4\): give these",
        "videos/*": r"matches videos \(a\.mp4, b\.mp4\)",
        "nested": r"has no images itself but folders \(one\)",
        "nested/*": r"matches files that are no images \(one\)",
        "clip[1]/*.png": r"brackets stand for one of .*: write .*clip\[\[\]1\]/\*\.png",
        "empty": r"has no images \(\.jpg",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            open_frames(f"{tmp_path}/{name}")
    assert shown(tmp_path / "clip[1]") == shown(f"{tmp_path}/clip[[]1]/*.png") == [1, 2]


def animation(path: Path, **options: object) -> Path:
    first, *others = (Image.fromarray(numbered(number)[:, :, ::-1]) for number in range(5))
    first.save(path, save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.gif", {"duration": [40, 80, 40, 200, 40]}),
        ("a.png", {"duration": [40, 80, 40, 200, 40]}),
        ("a.apng", {"duration": [40, 80, 40, 200, 40], "format": "PNG"}),
        ("a.webp", {"duration": [40, 80, 40, 200, 40], "lossless": True}),
    ],
)
def test_animations_are_read_whole(tmp_path, name, options):
    source = open_frames(animation(tmp_path / name, **options))
    frames = list(source.frames())
    assert (
        [number_of(frame.image) for frame in frames] == list(range(5)) == list(range(source.length))
    )
    assert [frame.time for frame in frames] == pytest.approx([0, 0.04, 0.12, 0.16, 0.36])
    assert [number_of(image) for image in source.pick([0, 3, 3, 4])] == [0, 3, 3, 4]


def test_the_picture_before_an_animation_is_not_of_it(tmp_path):
    path = animation(tmp_path / "a.png", duration=100, default_image=True)
    assert shown(path) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["3.png", "3.webp", "3.tif"])
def test_an_animation_is_no_picture_of_a_folder(tmp_path, name):
    write(tmp_path, {"1.png": 1, "2.png": 2})
    animation(tmp_path / name)
    for source in (tmp_path, f"{tmp_path}/*"):
        with pytest.raises(InputError, match=rf"{name} has 5 pictures, .*: give it by itself"):
            open_frames(source)
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    with pytest.raises(InputError, match=rf"{name} has 5 pictures"):
        open_frames(tmp_path)


def test_files_beside_the_pictures_are_said(tmp_path, caplog):
    write(tmp_path, {"1.png": 1, "2.png": 2})
    (tmp_path / "labels.txt").touch()
    (tmp_path / ".hidden").touch()
    assert shown(tmp_path) == [1, 2]
    assert not caplog.text
    animation(tmp_path / "3.gif")
    (tmp_path / "4.heic").touch()
    assert shown(tmp_path) == [1, 2]
    assert r"files that are no images are left out (3.gif, 4.heic)" in caplog.text
    for number in (1, 2):
        (tmp_path / f"{number}.png").unlink()
    with pytest.raises(InputError, match=r"has no images \(.*\) but 3\.gif, 4\.heic"):
        open_frames(tmp_path)


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # of the pixels of a picture that EXIF turns back


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", TURNS)
def test_pictures_are_upright(tmp_path, suffix, orientation):
    path = tmp_path / f"1.{suffix}"
    turned = Image.fromarray(numbered(41)[:, :, ::-1].copy()).transpose(TURNS[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
    turned.save(path, exif=exif, **more)
    (frame,) = open_frames(tmp_path)
    assert frame.shape == numbered(41).shape
    assert number_of(frame) == 41
    assert shown([path]) == shown(path) == [41]
    assert number_of(open_frames(tmp_path).pick([0])[0]) == 41


@pytest.mark.parametrize("name", ["photo.jpg", "funny.gif", "a.webp"])
@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi", "flv"])
def test_a_video_that_is_called_like_a_picture(tmp_path, name, kind):
    codec = "mpeg4" if kind in ("mp4", "mkv", "avi") else "flv1"
    written = write_numbered(tmp_path / f"v.{kind}", range(4), codec=codec, options={"g": "4"})
    assert shown(written.rename(tmp_path / name)) == list(range(4))


@pytest.mark.parametrize("name", ["a.gif", "a.apng", "a.jpg"])
def test_what_is_called_like_a_picture_and_is_none(tmp_path, name):
    (tmp_path / name).write_text("<html>")
    with pytest.raises(InputError, match=rf"Image .*{name} cannot be read.*: replace it"):
        shown(tmp_path / name)


def test_pages_of_a_tiff_are_frames(tmp_path):
    path = animation(tmp_path / "a.tif")
    source = open_frames(path, fps=10)
    assert [number_of(frame) for frame in source] == list(range(5))
    assert [frame.time for frame in source.frames()] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    (single,) = open_frames(write(tmp_path, {"b.tif": 9}) / "b.tif")
    assert number_of(single) == 9


def test_a_rate_is_that_of_pictures(tmp_path):
    write(tmp_path, {f"{number}.png": number for number in range(3)})
    for source in (tmp_path, [numbered(0)] * 3):
        opened = open_frames(source, fps=10)
        assert [frame.time for frame in opened.frames()] == pytest.approx([0, 0.1, 0.2])
        assert opened.fps == 10


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (np.zeros((48, 64, 3), np.uint8), r"shape \(48, 64, 3\), which is one picture"),
        (np.zeros((48, 64, 4), np.uint8), "which is one picture"),
        (np.zeros((48, 64), np.uint8), "which is one picture"),
        (None, "The frames are None"),
        (torch.zeros(2, 3, 4, 5), r"are a tensor of shape \(2, 3, 4, 5\)"),
        (1.5, "of type float"),
        (True, "of type bool"),
        (b"v.mp4", "of type bytes"),
        ([None], "Frame 0 is None, as OpenCV gives for what it cannot read"),
        ([torch.zeros(3, 4, 5)], r"Frame 0 is a tensor of shape \(3, 4, 5\)"),
        ([Image.new("RGB", (4, 4))], "Frame 0 is of type Image"),
    ],
)
def test_what_are_no_frames(frames, reason):
    with pytest.raises(InputError, match=reason):
        list(open_frames(frames))


def test_a_stack_is_a_video():
    assert len(list(open_frames(np.zeros((7, 48, 64, 3), np.uint8)))) == 7
    assert len(list(open_frames(np.zeros((7, 48, 64), np.uint8)))) == 7


def test_names_that_are_not_utf8(tmp_path):
    """OpenCV ends the process where it is to open them by their names."""
    folder = tmp_path / os.fsdecode(b"d\xe9j\xe0")
    folder.mkdir()
    for index in range(3):
        path = folder / os.fsdecode(b"\xe9%d.png" % index)
        path.write_bytes(cv2.imencode(".png", numbered(index))[1].tobytes())
    assert [number_of(frame) for frame in open_frames(folder)] == [0, 1, 2]
    (folder / os.fsdecode(b"\xe93.png")).write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read: replace it"):
        list(open_frames(folder))


def test_a_copy_in_a_folder_of_frames_is_named(tmp_path):
    for name in ("f_1", "f_2", "f_3", "f_2 copy"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), numbered(1))
    with pytest.raises(
        InputError, match=r"two pictures of one frame, .*f_2.png and .*f_2 copy.png"
    ):
        open_frames(tmp_path)
