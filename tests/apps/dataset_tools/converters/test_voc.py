"""Pascal VOC XML: corners, turned boxes, encodings, folders."""

from pathlib import Path

import cv2
import pytest

from boxmask_vid.errors import InputError
from support.red_boxes import box, boxes_of_pictures, convert, misfits, picture, write_pictures

AROUND_45 = [14.645, 44.645, 70.711, 70.711]


def corners(x1, y1, x2, y2) -> str:
    return f"<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"


def attribute(name: str, value: str) -> str:
    inside = f"<attribute><name>{name}</name><value>{value}</value></attribute>"
    return f"<attributes>{inside}</attributes>"


def thing(inside: str, name: str = "car") -> str:
    return f"<object><name>{name}</name>{inside}</object>"


def annotation(*objects: str, size: tuple | None = (320, 240), head: str = "") -> str:
    stated = (
        "" if size is None else "<size><width>{}</width><height>{}</height></size>".format(*size)
    )
    return f"{head}<annotation>{stated}{''.join(objects)}</annotation>"


def red(index: int, corner: int) -> str:
    x, y, w, h = box(index)
    return thing(corners(x + corner, y + corner, x + w, y + h))


def voc(source: Path, **kwargs) -> dict:
    return convert(source, source.parent / "x.json", format="voc", **kwargs)


@pytest.fixture
def folder(tmp_path) -> Path:
    write_pictures(tmp_path / "set/clip", range(3), "{:06d}.png")
    return tmp_path / "set"


def first_box(folder: Path, text: str | bytes, **kwargs) -> list:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "clip/000000.xml").write_bytes(data)
    return boxes_of_pictures(voc(folder, **kwargs))["clip/000000.png"]


# inside of the object, number of the first pixel: box, what is said
OBJECTS = {
    "from 1": (corners(21, 61, 80, 100), None, box(0), "corners count from 1, as those of Pascal"),
    "from 0, told": (corners(20, 60, 80, 100), 0, box(0), ""),
    "a zero": (corners(0, 60, 60, 100), None, [0, 60, 60, 40], "000000.xml, object 1 shows"),
    "a zero, told from 1": (corners(1, 0, 60, 100), 1, [0, -1, 60, 101], ""),
    "decimals": (corners("20.0", "60.0", "80.0", "100.0"), None, box(0), "with decimals"),
    "turned by roLabelImg": (
        "<robndbox><cx>50</cx><cy>80</cy><w>60</w><h>40</h><angle>0.785398</angle></robndbox>",
        None,
        AROUND_45,
        "1 objects with robndbox, of which the box around them is used",
    ),
    "turned by CVAT": (
        corners("20.0", "60.0", "80.0", "100.0") + attribute("rotation", "45.0"),
        None,
        AROUND_45,
        "1 objects with rotation, of which",
    ),
    "not turned by CVAT": (
        corners("20.0", "60.0", "80.0", "100.0") + attribute("rotation", "0.0"),
        None,
        box(0),
        "",
    ),
    "a polygon": (
        "<polygon><x1>20</x1><y1>60</y1><x2>80</x2><y2>70</y2><x3>50</x3><y3>100</y3></polygon>",
        None,
        box(0),
        "1 objects with polygon",
    ),
    "a polygon and its box": (
        corners(21, 61, 80, 100) + "<polygon><x1>1</x1><y1>1</y1></polygon>",
        None,
        box(0),
        "corners count from 1",
    ),
    "a part": (
        corners(21, 61, 80, 100) + f"<part><name>wheel</name>{corners(1, 1, 5, 5)}</part>",
        None,
        box(0),
        "",
    ),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_objects(folder, capsys, case):
    inside, first, expected, says = OBJECTS[case]
    found = first_box(folder, annotation(thing(inside)), corners_from=first)
    assert found == [pytest.approx(expected, abs=0.01)]
    assert says in capsys.readouterr().out


def test_a_zero_anywhere_is_of_the_whole_set(folder):
    (folder / "clip/000001.xml").write_text(annotation(red(1, 0)))
    (folder / "clip/000002.xml").write_text(annotation(thing(corners(0, 0, 10, 10))))
    assert first_box(folder, annotation(red(0, 0))) == [box(0)]
    assert boxes_of_pictures(voc(folder))["clip/000001.png"] == [box(1)]


REFUSED = {
    "swapped": (corners(80, 60, 20, 100), "xmin 80, ymin 60, xmax 20, ymax 100 are not the first"),
    "no box": ("<pose>left</pose>", "object 1: xmin is missing"),
    "two points": (
        "<polygon><x1>1</x1><y1>1</y1><x2>5</x2><y2>5</y2></polygon>",
        "its polygon is not x1, y1, x2, y2",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_objects_with_a_fault_get_a_sentence(folder, case):
    inside, sentence = REFUSED[case]
    with pytest.raises(InputError, match=sentence):
        first_box(folder, annotation(thing(inside)))


HEAD = '<?xml version="1.0" encoding="{}"?>\n'
ENCODINGS = {
    "gb2312": "gb2312",
    "GBK": "gbk",
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "shift_jis": "shift_jis",
}


@pytest.mark.parametrize("declared", ENCODINGS)
def test_encodings(folder, declared):
    text = annotation(thing(corners(21, 61, 80, 100), "車"), head=HEAD.format(declared))
    if declared == "gb2312":
        text = text.replace("車", "汽车")
    assert first_box(folder, text.encode(ENCODINGS[declared])) == [box(0)]
    names = voc(folder)["categories"][0]["name"]
    assert names in ("車", "汽车")


def test_an_encoding_that_is_not_declared_gets_a_sentence(folder):
    text = annotation(thing(corners(21, 61, 80, 100), "汽车"))
    with pytest.raises(InputError, match=r"is not in the encoding utf-8.* leaves out"):
        first_box(folder, text.encode("gb2312"))
    with pytest.raises(InputError, match="unknown encoding: klingon"):
        first_box(folder, HEAD.format("klingon") + text)


SIZES = {
    "another size": ((640, 480), r"is 320 x 240 pixels, .*clip says 640 x 480: give the images"),
    "swapped sides": ((240, 320), r"sides are swapped.*EXIF"),
}


@pytest.mark.parametrize("case", SIZES)
def test_sizes_are_compared(folder, case):
    size, sentence = SIZES[case]
    with pytest.raises(InputError, match=sentence):
        first_box(folder, annotation(red(0, 1), size=size))


@pytest.mark.parametrize("size", [None, (0, 0)])
def test_sizes_that_are_not_stated_are_not_compared(folder, size):
    assert first_box(folder, annotation(red(0, 1), size=size)) == [box(0)]


def test_tracks_and_difficult_objects(folder):
    attributes = attribute("track_id", "4")
    text = annotation(
        thing(corners(21, 61, 80, 100) + "<trackid>3</trackid><difficult>1</difficult>"),
        thing(corners(21, 61, 80, 101) + attributes),
        thing(corners(21, 61, 80, 102)),
    )
    first_box(folder, text)
    found = voc(folder)["annotations"]
    assert [annotation.get("instance_id") for annotation in found] == [1, 2, None]
    assert [annotation["iscrowd"] for annotation in found] == [1, 0, 0]


def flat(root: Path) -> tuple[list[str], str]:
    write_pictures(root / "JPEGImages")
    for index in range(6):
        path = root / f"Annotations/frame_{index:06d}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(annotation(red(index, 1)))
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/default.txt").write_text("frame_000000\n")
    return ["set"], "corners count from 1"


def cvat(root: Path) -> tuple[list[str], str]:
    """With whole numbers, as its frames have them: the file of its labels tells."""
    for clip in ("day", "night"):
        write_pictures(root / "JPEGImages" / clip)
        for index in range(6):
            path = root / f"Annotations/{clip}/frame_{index:06d}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(annotation(red(index, 0)))
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\ncar:1,2,3::\n")
    return ["day", "night"], "labelmap.txt"


def two_clips(root: Path) -> tuple[list[str], str]:
    """Beside the images of two clips, as Roboflow writes them."""
    for clip in ("a", "b"):
        write_pictures(root / "train", range(6), clip + "_mp4-{:04d}_jpg.rf.12ab.png")
        for index in range(0, 6, 2):
            path = root / f"train/{clip}_mp4-{index:04d}_jpg.rf.12ab.xml"
            path.write_text(annotation(red(index, 1)))
    return ["train/a_mp4", "train/b_mp4"], "train has images of 2 clips"


@pytest.mark.parametrize("layout", [flat, cvat, two_clips], ids=lambda layout: layout.__name__)
def test_layouts(tmp_path, capsys, layout):
    names, says = layout(tmp_path / "set")
    content = voc(tmp_path / "set")
    assert [video["name"] for video in content["videos"]] == names
    assert len(content["annotations"]) in (6, 12)
    assert misfits(content, tmp_path / "set") == []
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(("layout", "boxes"), [(flat, 6), (cvat, 12)])
def test_annotations_as_the_source(tmp_path, layout, boxes):
    layout(tmp_path / "set")
    content = voc(tmp_path / "set/Annotations")
    assert misfits(content, tmp_path / "set/JPEGImages") == []
    assert len(content["annotations"]) == boxes


def test_an_xml_without_picture_gets_a_sentence(tmp_path):
    flat(tmp_path / "set")
    (tmp_path / "set/JPEGImages/frame_000003.png").unlink()
    with pytest.raises(
        InputError, match="annotates frame frame_000003, which JPEGImages with its 5"
    ):
        voc(tmp_path / "set")


def test_xml_of_other_kinds_gets_a_sentence(folder):
    with pytest.raises(
        InputError, match=r"root is <annotations>, not <annotation> .--from cvat reads"
    ):
        first_box(folder, "<annotations/>")


def test_labels_drawn_on_another_size_are_found_by_the_picture(folder):
    cv2.imwrite(str(folder / "clip/000000.png"), cv2.resize(picture(0), (160, 120)))
    with pytest.raises(InputError, match=r"000000.png is 160 x 120 pixels"):
        first_box(folder, annotation(red(0, 1)))


def stated(index: int, name: str) -> str:
    return annotation(red(index, 1), head="").replace(
        "<annotation>", f"<annotation><filename>{name}</filename>"
    )


def test_the_stated_image_is_used_where_the_file_has_another_name(tmp_path):
    write_pictures(tmp_path / "set/clip", range(3), "cam_{:04d}.png")
    for index in range(3):  # files count from 1, images from 0
        text = stated(index, f"cam_{index:04d}.png")
        (tmp_path / f"set/clip/{index + 1:04d}.xml").write_text(text)
    content = voc(tmp_path / "set")
    assert len(content["annotations"]) == 3
    assert misfits(content, tmp_path / "set") == []


def test_a_file_of_two_images_is_refused(folder):
    (folder / "clip/000000.xml").write_text(stated(1, "000001.png"))
    with pytest.raises(InputError, match="label file 000000 states the image 000001, and there"):
        voc(folder)


def test_two_files_of_one_image_are_refused(folder):
    (folder / "clip/first.xml").write_text(stated(1, "000001.png"))
    (folder / "clip/other.xml").write_text(stated(1, "000001.png"))
    with pytest.raises(InputError, match="first and other are both of the image 000001"):
        voc(folder)


def test_a_file_that_was_renamed_with_its_image(folder):
    assert first_box(folder, stated(0, "C:\\old\\DSC_1.jpg")) == [box(0)]


def test_a_file_that_names_the_image_of_another(tmp_path):
    write_pictures(tmp_path / "set/clip", range(3), "{:06d}.png")
    for index in range(3):
        text = annotation(red(index, 1)).replace(
            "<size>", f"<filename>old_{index}.png</filename><size>"
        )
        (tmp_path / f"set/clip/{index:06d}.xml").write_text(text)
    assert not misfits(voc(tmp_path / "set"), tmp_path / "set")
    wrong = annotation(red(1, 1)).replace("<size>", "<filename>000001.png</filename><size>")
    (tmp_path / "set/clip/000000.xml").write_text(wrong)
    with pytest.raises(InputError, match=r"000000\.xml says that it is of the image 000001"):
        voc(tmp_path / "set")
