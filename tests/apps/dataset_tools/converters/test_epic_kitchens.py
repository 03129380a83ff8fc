"""EPIC-KITCHENS: numbers of JPEGs, folders of participants, videos of 60 frames a second."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from boxmask_vid.errors import InputError
from support.red_boxes import box, boxes_of_pictures, convert, misfits, picture, write_pictures

NAME = "frame_{:010d}.png"


def write_labels(root: Path, rows: dict[int, list[int]], video: str = "P01_01") -> Path:
    """Boxes by the numbers of JPEGs, in pixels of pictures of 320 x 240."""
    lines = ["noun_class,noun,participant_id,video_id,frame,bounding_boxes"]
    for number, (x, y, w, h) in rows.items():
        # (top, left, height, width) of 1920 x 1080
        bbox = [round(side * scale) for side, scale in zip((y, x, h, w), (4.5, 6) * 2, strict=True)]
        lines.append(f'0,cup,P01,{video},{number},"[({", ".join(map(str, bbox))})]"')
    (root / "EPIC_noun_classes.csv").write_text("noun_id,class_key,nouns\n0,cup,\"['cup']\"\n")
    path = root / "EPIC_train_object_labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("folder", ["P01/P01_01", "P01/rgb_frames/P01_01", "P01_01"])
def test_folders_of_participants_and_numbers_of_jpegs(tmp_path, folder, capsys):
    source = write_labels(tmp_path, {n: box(n - 101) for n in (101, 104)})
    write_pictures(tmp_path / "images" / folder, range(5), name=NAME, first=101)
    root = tmp_path / "images"
    content = convert(source, tmp_path / "o.json", format="epic-kitchens", root=root)
    assert misfits(content, root) == []
    assert sum(map(len, boxes_of_pictures(content).values())) == 2
    assert "3 frames without annotations serve as reference" in capsys.readouterr().out


def test_a_missing_jpeg_is_named(tmp_path):
    source = write_labels(tmp_path, {n: box(n) for n in (1, 9)})
    write_pictures(tmp_path / "P01/P01_01", range(5), name=NAME, first=1)
    with pytest.raises(InputError, match=r"frame 9, which P01/P01_01 .* 5 frames .*images at 60"):
        convert(source, tmp_path / "o.json", format="epic-kitchens", root=tmp_path)


def write_video(path: Path, rate: str, length: int) -> None:
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(rate))
        stream.width, stream.height, stream.bit_rate = 320, 240, 4_000_000
        for index in range(length):
            frame = av.VideoFrame.from_ndarray(picture(index % 40), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("folder", ["P01", "P01/videos", "."])
@pytest.mark.parametrize("suffix", [".MP4", ".mp4"])
def test_video_files_of_participants(tmp_path, folder, suffix):
    """JPEGs count from 1."""
    source = write_labels(tmp_path, {n: box(n - 1) for n in (1, 6)})
    write_video(tmp_path / "videos" / folder / f"P01_01{suffix}", "60", 8)
    kwargs = {"root": tmp_path / "videos", "video_files": True}
    content = convert(source, tmp_path / "o.json", format="epic-kitchens", **kwargs)
    found = list(boxes_of_pictures(content).values())
    assert [index for index, boxes in enumerate(found) if boxes] == [0, 5]
    assert found[5] == [pytest.approx(box(5), abs=0.5)]


@pytest.mark.parametrize(
    ("rate", "position", "said"), [("60", 999, 0), ("60000/1001", 998, 0), ("25", 999, 1)]
)
def test_the_frame_of_the_same_time(tmp_path, rate, position, said, capsys):
    """The JPEGs were extracted at 60 frames a second; a video of 59.94 has fewer frames."""
    source = write_labels(tmp_path, {1000: box(0)})
    write_video(tmp_path / "videos/P01/P01_01.MP4", rate, 1001)
    kwargs = {"root": tmp_path / "videos", "video_files": True}
    content = convert(source, tmp_path / "o.json", format="epic-kitchens", **kwargs)
    found = list(boxes_of_pictures(content).values())
    assert [index for index, boxes in enumerate(found) if boxes] == [position]
    assert ("have another rate than the numbered images" in capsys.readouterr().out) == bool(said)


def test_boxes_that_end_beyond_the_picture_are_counted(tmp_path, capsys):
    source = write_labels(tmp_path, {1: [300, 60, 30, 40], 2: [20, 60, 60, 40]})
    write_pictures(tmp_path / "P01/P01_01", range(2), name=NAME, first=1)
    convert(source, tmp_path / "o.json", format="epic-kitchens", root=tmp_path)
    assert "1 boxes end beyond their image and are kept" in capsys.readouterr().out
