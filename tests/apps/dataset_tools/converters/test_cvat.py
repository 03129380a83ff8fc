"""What CVAT exports: tasks, jobs, projects, images, steps, shapes, archives, encodings."""

import zipfile

import cv2
import numpy as np
import pytest

from boxmask_vid.errors import InputError
from support.cvat_files import about, annotations, image, job, project, row, task, track, write
from support.red_boxes import box, boxes_of_pictures, convert, misfits, picture, write_pictures


@pytest.fixture
def read(tmp_path):
    """Convert; every box must fit its picture."""

    def convert_and_check(source=None, root=None, *, fits=True, **kwargs):
        root = root or tmp_path / "frames"
        source = source or tmp_path / "a.xml"
        content = convert(source, tmp_path / "out.json", format="cvat", root=root, **kwargs)
        if fits:
            assert misfits(content, root) == []
        return content

    return convert_and_check


def refused(read, message, **kwargs):
    with pytest.raises(InputError, match=message) as caught:
        read(**kwargs)
    return str(caught.value)


def labelled(content: dict) -> list[str]:
    return [name for name, boxes in boxes_of_pictures(content).items() if boxes]


def full(size=6, **kwargs):
    return task(track(row(frame) for frame in range(size)), size, **kwargs)


@pytest.mark.parametrize(
    ("name", "first"),
    [("frame_{:06d}.png", 1), ("IMG_{}.PNG", 2041), ("{}.jpg", 0), ("clip2_{:03d}_x.png", 0)],
)
def test_complete_pictures_may_have_other_numbers(tmp_path, read, name, first, capsys):
    write(tmp_path / "a.xml", full(12))
    write_pictures(tmp_path / "frames/street", range(12), name=name, first=first)
    assert len(labelled(read(fits=not name.endswith("jpg")))) == 12
    said = "videos whose complete images do not count from" in capsys.readouterr().out
    assert said == (first > 0)


def test_one_picture_too_many(tmp_path, read):
    write(tmp_path / "a.xml", full())
    write_pictures(tmp_path / "frames/street", range(7))
    refused(read, r"6 frames .* 7 pictures .* with frame_000006.png too many")


def test_another_picture_in_the_folder(tmp_path, read):
    write(tmp_path / "a.xml", full())
    write_pictures(tmp_path / "frames/street", range(6))
    cv2.imwrite(str(tmp_path / "frames/street/cover.png"), picture(0))
    refused(read, r"pictures of 2 clips, such as frame_000000.png and cover.png")


def test_a_picture_with_boxes_is_missing(tmp_path, read):
    write(tmp_path / "a.xml", full())
    write_pictures(tmp_path / "frames/street", (0, 1, 2, 4, 5))
    refused(read, r"without a picture of frame 3, which has boxes")


def test_hidden_files_and_unused_folders_are_counted(tmp_path, read, capsys):
    write(tmp_path / "a.xml", full())
    write_pictures(tmp_path / "frames/street", range(6))
    write_pictures(tmp_path / "frames/street", range(1), name="._frame_{:06d}.png")
    write_pictures(tmp_path / "frames/other/nested", range(2))
    read()
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last == [
        "1 folders of images without annotations left out",
        "1 hidden files in folders of pictures left out",
    ]


def test_pictures_in_the_order_of_unpadded_names(tmp_path, read):
    """A task of images has no numbers but those in the order of the names, which CVAT sorts."""
    write_pictures(tmp_path / "frames/street", range(12), name="{}.png")
    write(tmp_path / "a.xml", full(12, source=None))
    refused(read, r"the order of those in .*street is not certain \(1.png may be frame 1\)|10.png")
    write(tmp_path / "a.xml", full(10, source=None))
    for index in (10, 11):
        (tmp_path / f"frames/street/{index}.png").unlink()
    assert len(labelled(read())) == 10


def test_a_task_that_starts_later(tmp_path, read):
    rows = track(row(frame) for frame in range(4, 12, 2))
    write(tmp_path / "a.xml", task(rows, 4, start=4, step=2))
    write_pictures(tmp_path / "frames/street", range(4, 12, 2))
    assert len(labelled(read())) == 4
    write_pictures(tmp_path / "frames/street", range(15))
    content = read()
    assert len(labelled(content)) == 4
    keys = [i["file_name"] for i in content["images"] if i["is_vid_train_frame"]]
    assert keys == [f"street/frame_{index:06d}.png" for index in (4, 6, 8, 10)]


def test_pictures_that_do_not_tell_their_frame(tmp_path, read):
    write(tmp_path / "a.xml", task(track([row(10), row(11)]), 2, start=10))
    write_pictures(tmp_path / "frames/street", range(2))
    refused(read, r"2 frames \(10, 11\), street has 2 pictures \(0, 1\) without a picture of frame")


def test_step_and_fake_outside_boxes(tmp_path, read):
    """CVAT ends a shape of one frame by an outside box, also behind the end or between frames."""
    rows = [row(0), row(5), row(10, 5, outside=1), row(6, 5, outside=1), row(10, 5, outside=1)]
    write(tmp_path / "a.xml", task(track(rows), 2, step=5))
    write_pictures(tmp_path / "frames/street", (0, 5))
    assert len(labelled(read())) == 2


@pytest.mark.parametrize("doubled", [row(3), row(3, 2)])
def test_doubled_rows(tmp_path, read, doubled):
    write_pictures(tmp_path / "frames/street", range(6))
    write(tmp_path / "a.xml", task(track([*map(row, range(6)), doubled]), 6))
    if doubled == row(3):
        assert len(labelled(read())) == 6
    else:
        refused(read, r"track 0: frame 3 occurs twice, with two boxes: remove one")


@pytest.mark.parametrize("frame", [-1, 6, 99])
def test_a_frame_that_the_task_does_not_have(tmp_path, read, frame):
    write_pictures(tmp_path / "frames/street", range(6))
    write(tmp_path / "a.xml", task(track([row(0), row(frame)]), 6))
    refused(read, rf"track 0: frame {frame} is not one of the task's, 0 to 5: correct it")


@pytest.mark.parametrize(
    ("start", "turned", "goal", "expected"),
    [
        (90, 2, 90, [42, 50, 40, 60]),
        (350, 2, 10, [32, 60, 60, 40]),  # through 0, not through 180
        (45, 0, 45, [14.645, 44.645, 70.711, 70.711]),
        (0, 2, 90, [26.645, 44.645, 70.711, 70.711]),
        (-90, 2, 270, [42, 50, 40, 60]),
    ],
)
def test_rotation_is_interpolated(tmp_path, read, start, turned, goal, expected):
    write_pictures(tmp_path / "frames/street", range(5))
    rows = [row(0, more=f'rotation="{start}"'), row(4, more=f'rotation="{goal}"')]
    write(tmp_path / "a.xml", task(track(rows), 5))
    found = boxes_of_pictures(read(fits=False))[f"street/frame_{turned:06d}.png"]
    assert found == [pytest.approx(expected, abs=0.01)]


SHAPES = {
    '<ellipse frame="0" cx="50" cy="80" rx="30" ry="20"/>': [20, 60, 60, 40],
    '<ellipse frame="0" cx="50" cy="80" rx="20" ry="30" rotation="90"/>': [20, 60, 60, 40],
    '<polygon frame="0" points="20,70;50,60;80.0,80;40,100"/>': [20, 60, 60, 40],
    '<mask frame="0" rle="2400" left="20" top="60" width="60" height="40"/>': [20, 60, 60, 40],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["track", "image"])
def test_boxes_around_shapes(tmp_path, read, shape, kind):
    write_pictures(tmp_path / "frames/street", range(1))
    content = track([shape])
    if kind == "image":
        node = shape.replace('frame="0"', 'label="car"')
        content = f'<image id="0" name="frame_000000" width="320" height="240">{node}</image>'
    write(tmp_path / "a.xml", task(content, 1))
    assert boxes_of_pictures(read()) == {"street/frame_000000.png": [SHAPES[shape]]}


def test_other_shapes_are_counted_by_kind(tmp_path, read, capsys):
    write_pictures(tmp_path / "frames/street", range(2))
    others = [
        '<skeleton frame="0"><points label="head" points="1,1"/></skeleton>',
        '<cuboid frame="0" xtl1="1"/>',
        '<polyline frame="0" points="1,1;2,2"/>',
        '<points frame="1" points="1,1"/>',
        '<points frame="1" outside="1" points="1,1"/>',
        '<skeleton frame="1"><points label="head" outside="1" points="1,1"/></skeleton>',
    ]
    write(tmp_path / "a.xml", task(track([row(0), row(1)]) + track(others), 2))
    read()
    assert capsys.readouterr().out.splitlines()[-4:] == [
        f"1 {kind} left out" for kind in ("cuboids", "points", "polylines", "skeletons")
    ]


def test_polygons_that_only_cvat_can_interpolate(tmp_path, read):
    write_pictures(tmp_path / "frames/street", range(3))
    shapes = [
        '<polygon frame="0" points="1,1;2,2;3,1"/>',
        '<polygon frame="2" points="1,1;2,2;3,1;4,4"/>',
    ]
    write(tmp_path / "a.xml", task(track(shapes), 3))
    refused(read, r"between frames 0 and 2 the polygon becomes another one .*export all frames")


def test_points_of_a_skeleton_are_no_classes(tmp_path, read):
    write_pictures(tmp_path / "frames/street", range(6))
    more = "<label><name>head</name><type>points</type><parent>walker</parent></label></labels>"
    write(tmp_path / "a.xml", full().replace("</labels>", more))
    assert [category["name"] for category in read()["categories"]] == ["car"]


def test_jobs_of_one_task_with_all_its_pictures(tmp_path, read):
    for number, frames in enumerate((range(6), range(6, 12)), start=1):
        rows = track(row(frame) for frame in frames)
        write(tmp_path / f"jobs/job_{number}.xml", job(rows, 6, start=frames[0]))
        write_pictures(tmp_path / f"frames/job_{number}", range(12))
    content = read(tmp_path / "jobs")
    assert [video["name"] for video in content["videos"]] == ["job_1", "job_2"]
    assert len(labelled(content)) == 12


def test_jobs_with_their_own_pictures(tmp_path, read):
    """Unpacked archives beside each other."""
    for number, frames in enumerate((range(6), range(6, 12)), start=1):
        rows = track(row(frame) for frame in frames)
        write(tmp_path / f"x/job_{number}/annotations.xml", job(rows, 6, start=frames[0]))
        write_pictures(tmp_path / f"x/job_{number}/images", frames)
    content = read(tmp_path / "x", tmp_path / "x")
    assert [video["name"] for video in content["videos"]] == ["job_1", "job_2"]
    assert len(labelled(content)) == 12


@pytest.mark.parametrize("folder", ["images", "images/Train"])
def test_a_project_with_its_pictures_in_one_folder(tmp_path, read, folder):
    """As CVAT's archive has them: numbers go on from task to task of a subset."""
    size = 4
    subset = "<subset>Train</subset>"
    tasks = [about(size, name=n, source=f"{n}.mp4", more=subset) for n in ("north", "south")]
    rows = "".join(
        track((row(frame + first, frame) for frame in range(size)), more=f'task_id="{number}"')
        for number, first in ((1, 0), (2, size))
    )
    write(tmp_path / "p/annotations.xml", project(rows, *tasks))
    write_pictures(tmp_path / "p" / folder, range(size))
    write_pictures(tmp_path / "p" / folder, range(size), first=size)
    content = read(tmp_path / "p", tmp_path / "p")
    assert [video["name"] for video in content["videos"]] == ["north", "south"]
    assert len(labelled(content)) == 2 * size


def test_subsets_of_a_project_count_from_0(tmp_path, read):
    tasks = [
        about(3, name=name, source=f"{name}.mp4", more=f"<subset>{subset}</subset>", **steps)
        for name, subset, steps in (
            ("a", "Train", {}),
            ("b", "Train", {"start": 2, "step": 2}),
            ("c", "Val", {}),
            ("d", "Train", {}),
        )
    ]
    # CVAT sorts tasks by subset
    tasks = [tasks[0], tasks[1], tasks[3], tasks[2]]
    frames = {1: (range(3), 0), 2: (range(2, 8, 2), 3), 3: (range(3), 3 + 2 + 6), 4: (range(3), 0)}
    rows = "".join(
        track((row(f + first, f) for f in numbers), more=f'task_id="{number}"')
        for number, (numbers, first) in frames.items()
    )
    write(tmp_path / "a.xml", project(rows, *tasks))
    for name, (numbers, _) in zip("abdc", frames.values(), strict=True):
        write_pictures(tmp_path / "frames" / name, numbers)
    assert len(labelled(read())) == 12


def test_a_track_of_no_task(tmp_path, read):
    rows = track([row(0)], more='task_id="9"')
    write(tmp_path / "a.xml", project(rows, about(1), about(1, name="b")))
    refused(read, r"task_id '9' is not one of the project's tasks")


@pytest.mark.parametrize("suffix", ["", ".png", ".jpg"])
def test_images_are_found_by_name(tmp_path, read, suffix):
    """Two clips in one folder stay two videos; pictures that are not named have no labels."""
    names = [f"{clip}_{index}{suffix}" for clip in "ab" for index in range(8, 12)]
    nodes = "".join(image(name, 8 + number % 4) for number, name in enumerate(names))
    text = task(nodes, 8, name="two", source=None)
    write(tmp_path / "t/annotations.xml", text)
    for clip in "ab":
        write_pictures(tmp_path / "t/images", range(7, 12), name=clip + "_{}.png")
    content = read(tmp_path / "t", tmp_path / "t")
    assert [video["name"] for video in content["videos"]] == ["a", "b"]
    assert sum(len(boxes) for boxes in boxes_of_pictures(content).values()) == 8
    assert not any("instance_id" in annotation for annotation in content["annotations"])
    keys = [i["file_name"] for i in content["images"] if not i["is_vid_train_frame"]]
    assert keys == ["images/a_7.png", "images/b_7.png"]


@pytest.mark.parametrize("base", ["", "images", "images/default"])
def test_images_in_folders(tmp_path, read, base):
    names = [f"cam\\{clip}\\{index:03d}.png" for clip in "ab" for index in range(2)]
    nodes = "".join(image(name, number % 2) for number, name in enumerate(names))
    write(tmp_path / "a.xml", task(nodes, 4, source=None))
    for clip in "ab":
        write_pictures(tmp_path / "frames" / base / "cam" / clip, range(2), name="{:03d}.png")
    content = read()
    assert [video["name"] for video in content["videos"]] == ["cam/a", "cam/b"]


def test_images_of_a_video_are_numbers(tmp_path, read):
    nodes = "".join(image(f"frame_{index:06d}", index) for index in (0, 1, 2, 4))
    write(tmp_path / "a.xml", task(nodes, 6))
    write_pictures(tmp_path / "frames/street", range(6), first=1)  # ffmpeg counts from 1
    content = read()
    assert len(labelled(content)) == 4
    assert [i["is_vid_train_frame"] for i in content["images"]] == [1, 1, 1, 0, 1, 0]
    write_pictures(tmp_path / "frames/street", range(7))
    refused(read, r"6 frames .* 7 pictures")


def test_an_image_that_is_not_there(tmp_path, read):
    nodes = image("a_1.png", 1) + image("a_2.png", 2)
    write(tmp_path / "a.xml", task(nodes, 2, source=None))
    write_pictures(tmp_path / "frames/street", [1], name="a_{}.png")
    refused(read, r"annotates frame a_2, which street with its 1 frames does not have")
    write(tmp_path / "a.xml", task(image("b_1.png", 1), 1, source=None))
    refused(read, r"Folder .*street has no images of those that it names")


@pytest.mark.parametrize("of_one", [False, True])
def test_sizes_are_compared(tmp_path, read, of_one):
    text = task(image("frame_000000", 0), 1)
    if of_one:  # only the image says its size
        text = text.replace("<width>320</width><height>240</height>", "").replace(
            "<original_size></original_size>", ""
        )
    write(tmp_path / "a.xml", text)
    write_pictures(tmp_path / "frames/street", range(1))
    read()
    swapped = text.replace("320", "SIDE").replace("240", "320").replace("SIDE", "240")
    write(tmp_path / "a.xml", swapped)
    refused(read, r"is 320 x 240 pixels, .* says 240 x 320: .* EXIF")
    write(tmp_path / "a.xml", text.replace("320", "640"))
    assert "EXIF" not in refused(read, r"says 640 x 240: give the images that were annotated")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "gb2312", "cp1251", "latin-1"]
)
def test_encodings(tmp_path, read, encoding):
    label = {"gb2312": "汽车", "cp1251": "машина", "latin-1": "Fußgänger"}.get(encoding, "汽车")
    name = encoding.removesuffix("-sig")
    text = full().replace('encoding="utf-8"', f'encoding="{name}"').replace("car", label)
    write(tmp_path / "a.xml", text, encoding)
    write_pictures(tmp_path / "frames/street", range(6))
    assert [category["name"] for category in read()["categories"]] == [label]


def test_a_wrong_encoding(tmp_path, read):
    write(tmp_path / "a.xml", full().replace("car", "汽车"), "gb2312")
    refused(read, r"is not in the encoding utf-8 that its first line declares")


@pytest.mark.parametrize(
    "source", ["C:\\videos\\street.mp4", "\\\\server\\share\\street.MOV", "/data/street.avi"]
)
def test_paths_of_sources(tmp_path, read, source):
    write(tmp_path / "a.xml", full(source=source))
    write_pictures(tmp_path / "frames/street", range(6))
    assert read()["videos"][0]["name"] == "street"


@pytest.mark.parametrize("name", ["/etc", "../frames/street", "a\0b"])
def test_names_that_lead_out_of_the_root(tmp_path, read, name):
    write(tmp_path / "a.xml", full(name=name.replace("\0", ""), source=None))
    write_pictures(tmp_path / "frames/street", range(6))
    refused(read, r"not found: check --images", root=tmp_path / "frames")


def test_an_archive(tmp_path, read):
    write(tmp_path / "t/annotations.xml", full())
    write_pictures(tmp_path / "t/images", range(6))
    with zipfile.ZipFile(tmp_path / "task 1.zip", "w") as archive:
        for path in (tmp_path / "t").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "t"))
    kwargs = {"output": tmp_path / "out.json", "format": "cvat"}
    with pytest.raises(InputError, match=r"is an archive: add --extract FOLDER"):
        convert(tmp_path / "task 1.zip", **kwargs)
    content = convert(tmp_path / "task 1.zip", **kwargs, extract=tmp_path / "x")
    assert misfits(content, tmp_path / "x/task 1") == []
    assert len(labelled(content)) == 6
    content = convert(tmp_path / "task 1.zip", **kwargs, root=tmp_path / "t")
    assert misfits(content, tmp_path / "t") == []
    (tmp_path / "task 1.zip").write_bytes(b"PK no")
    with pytest.raises(InputError, match=r"cannot be unpacked"):
        convert(tmp_path / "task 1.zip", **kwargs, extract=tmp_path / "x")


@pytest.fixture
def video_file(tmp_path):
    import av

    (tmp_path / "videos").mkdir()
    with av.open(str(tmp_path / "videos/street.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.bit_rate = 320, 240, 4_000_000
        for index in range(12):
            frame = av.VideoFrame.from_ndarray(picture(index), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return tmp_path / "videos"


@pytest.mark.parametrize("extract", [False, True])
def test_frames_of_a_video_file(tmp_path, read, video_file, extract):
    kwargs = {"root": video_file, "video_files": True, "fits": False}
    kwargs["extract"] = tmp_path / "extracted" if extract else None
    write(tmp_path / "a.xml", task(track(map(row, range(2, 12, 3))), 4, start=2, step=3))
    content = read(**kwargs)
    found = boxes_of_pictures(content)
    wanted = {index: [box(index)] for index in range(2, 12, 3)}
    assert list(found.values()) == [wanted.get(index, []) for index in range(12)]
    if extract:
        assert misfits(content, tmp_path / "extracted", tolerance=2) == []
    write(tmp_path / "a.xml", full())
    refused(read, r"has 6 frames, 0 to 5, .*street.mp4 has 12: give the video", **kwargs)
    write(tmp_path / "a.xml", full(13))
    refused(read, r"has 13 frames, 0 to 12, .*street.mp4 has 12: give the video", **kwargs)
    write(tmp_path / "street.xml", job(track(map(row, range(6))), 6))
    assert len(labelled(read(tmp_path / "street.xml", **kwargs))) == 6


WRONG_META = {
    "<size>6</size>": ("<size>7</size>", r"<size> is 7, but there are 6 frames from 0 to 5"),
    "<frame_filter></frame_filter>": ("<frame_filter>odd</frame_filter>", r"'odd' is not 'step="),
    "<stop_frame>5</stop_frame>": ("<stop_frame>-1</stop_frame>", r"from 0 to -1: correct"),
    "<start_frame>0</start_frame>": (
        "<start_frame>1</start_frame>",
        r"<size> is 6, but there are 5",
    ),
}


@pytest.mark.parametrize("right", WRONG_META)
def test_a_task_that_contradicts_itself(tmp_path, read, right):
    wrong, message = WRONG_META[right]
    write(tmp_path / "a.xml", full().replace(right, wrong))
    refused(read, message)


def test_xml_of_another_kind(tmp_path, read):
    write(tmp_path / "a.xml", "<annotation><object/></annotation>")
    refused(read, r"a.xml is not CVAT's XML")
    write(tmp_path / "a.xml", annotations("<x/>", ""))
    refused(read, r"does not say how many frames it has \(<size>\)")


def test_clips_in_one_folder_are_refused(tmp_path, read):
    write(tmp_path / "a.xml", full(8))
    for clip in "ab":
        write_pictures(tmp_path / "frames/street", range(4), name=clip + "_{}.png")
    refused(read, r"pictures of 2 clips, such as a_0.png and b_0.png")


def test_two_pictures_of_one_frame(tmp_path, read):
    write(tmp_path / "a.xml", full())
    write_pictures(tmp_path / "frames/street", range(6))
    write_pictures(tmp_path / "frames/street", range(6), name="frame_{:06d}.jpg")
    refused(read, r"two pictures of one frame, frame_000000.jpg and frame_000000.png")


def test_turned_pictures(tmp_path, read):
    """Sizes are those of the upright picture, as CVAT shows it."""
    from PIL import Image

    write(tmp_path / "a.xml", full(1))
    (tmp_path / "frames/street").mkdir(parents=True)
    turned = Image.fromarray(np.rot90(picture(0)[..., ::-1]).copy())
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "frames/street/frame_000000.png", exif=exif)
    assert boxes_of_pictures(read(fits=False)) == {"street/frame_000000.png": [box(0)]}


def test_a_folder_of_archives(tmp_path, read, capsys):
    write_pictures(tmp_path / "frames/street", range(6))
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.zip").write_bytes(b"PK")
    refused(read, r"x has no XML files: unpack its archives", source=tmp_path / "x")
    write(tmp_path / "x/a.XML", full())
    write(tmp_path / "x/._a.xml", "junk")
    read(tmp_path / "x")
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last == ["1 archives in the folder of XML files left out", "1 hidden XML files left out"]


@pytest.mark.parametrize("meta", ["", "<meta><job><id>2</id></job></meta>"])
def test_images_of_other_programs_need_no_total(tmp_path, read, meta):
    nodes = "".join(image(f"f_{index}.png", index) for index in range(3))
    write(tmp_path / "street.xml", f"<annotations>{meta}{nodes}</annotations>")
    write_pictures(tmp_path / "frames/street", range(3), name="f_{}.png")
    assert len(labelled(read(tmp_path / "street.xml"))) == 3


def test_tasks_of_one_video_file_are_called_by_their_names(tmp_path, read):
    tasks = about(3, name="left"), about(3, name="right")
    rows = track(map(row, range(3)), more='task_id="1"')
    rows += track((row(frame + 3, frame) for frame in range(1, 3)), more='task_id="2"')
    write(tmp_path / "a.xml", project(rows, *tasks))
    for name in ("left", "right"):
        write_pictures(tmp_path / "frames" / name, range(3))
    content = read()
    assert [video["name"] for video in content["videos"]] == ["left", "right"]
    assert len(labelled(content)) == 5


@pytest.mark.parametrize("folder", ["frames/south", "frames/images/default", "frames/images"])
def test_images_of_the_videos_of_a_project(tmp_path, read, folder):
    """CVAT numbers them on from task to task."""
    nodes = "".join(
        image(f"frame_{frame + first:06d}", frame).replace("<image", f'<image task_id="{number}"')
        for number, first in ((1, 0), (2, 3))
        for frame in range(3)
    )
    tasks = [about(3, name=name, source=f"{name}.mp4") for name in ("north", "south")]
    write(tmp_path / "frames/a.xml", project(nodes, *tasks))
    if folder.endswith("south"):
        write_pictures(tmp_path / "frames/north", range(3))
        write_pictures(tmp_path / folder, range(3))
    else:
        write_pictures(tmp_path / folder, range(3))
        write_pictures(tmp_path / folder, range(3), first=3)
    content = read(tmp_path / "frames", tmp_path / "frames")
    assert [video["name"] for video in content["videos"]] == ["north", "south"]
    assert len(labelled(content)) == 6


@pytest.mark.parametrize(
    ("names", "source", "says"),
    [
        (("1.jpg", "1.png"), None, "two pictures of one frame"),
        (("frame_000001", "sub/frame_000001"), "street.mp4", "frame_000001 are one frame"),
    ],
)
def test_images_that_are_called_the_same_are_refused(tmp_path, read, names, source, says):
    write_pictures(tmp_path / "frames", range(2), "frame_{:06d}.png")
    write(tmp_path / "a.xml", task("".join(image(name, 1) for name in names), 2, source=source))
    refused(read, says)


def test_a_file_of_images_and_tracks_is_refused(tmp_path, read):
    write_pictures(tmp_path / "frames", range(3), "frame_{:06d}.png")
    tracks = track(row(frame) for frame in range(3))
    write(tmp_path / "a.xml", task(image("frame_000000.png", 0) + tracks, 3))
    refused(read, "has images and tracks")
