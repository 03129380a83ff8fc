"""Pictures and labels that are called after times, after cameras, or after one another."""

import cv2
import pytest
from PIL import Image

from boxmask_vid.apps.dataset_tools.checks import check_content
from boxmask_vid.data.datasets.numbered_frames import natural_order, split_clips
from boxmask_vid.errors import InputError
from support import cvat_files
from support.red_boxes import box, boxes_of_pictures, convert, misfits, picture, write_video
from support.small_exports import yolo_line


def write(folder, names, labels=".txt") -> None:
    """Write pictures with these names, and their label files; None for no label files."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        _, encoded = cv2.imencode(".png", picture(index))
        (folder / name).write_bytes(encoded.tobytes())
        if labels is not None:
            path = folder / name
            path = path.with_suffix(labels) if labels == ".txt" else path.with_name(name + ".txt")
            path.write_text(yolo_line(index))
    (folder / "classes.txt").write_text("car\n")


TIMES = {
    "seconds with decimals": [
        *("1700000000.900000.png", "1700000000.933333.png", "1700000000.966667.png"),
        *("1700000001.000000.png", "1700000001.033333.png"),
    ],
    "decimals without zeros at the end": [
        *("1700000000.09.png", "1700000000.8.png", "1700000000.81.png", "1700000001.0.png"),
    ],
    "nanoseconds": [
        "1403636579763555584.png",
        "1403636579813555456.png",
        "1403636580013555456.png",
    ],
    "milliseconds of a clock": [
        *("2024-01-31_12-00-58-900.png", "2024-01-31_12-00-58-933.png"),
        *("2024-01-31_12-00-59-000.png", "2024-01-31_12-00-59-033.png"),
    ],
    "two a second": [
        *("20240131_120058_000.png", "20240131_120058_500.png"),
        *("20240131_120059_000.png", "20240131_120059_500.png"),
    ],
    "a picture a second": [
        *("IMG_20240131_120058.png", "IMG_20240131_120059.png", "IMG_20240131_120100.png"),
    ],
    "a picture a day": ["cam 2024.01.30 12.00.01.png", "cam 2024.01.31 11.59.59.png"],
}


@pytest.mark.parametrize("kind", TIMES)
def test_pictures_that_are_called_after_times_are_one_clip(tmp_path, kind):
    write(tmp_path / "c", TIMES[kind])
    content = convert(tmp_path / "c", tmp_path / "o.json", format="yolo")
    assert [video["name"] for video in content["videos"]] == ["c"]
    assert [image["file_name"] for image in content["images"]] == TIMES[kind]
    assert misfits(content, tmp_path / "c") == []
    assert sorted(set(TIMES[kind]), key=natural_order) == TIMES[kind]


@pytest.mark.parametrize("numbers", [range(3), range(1, 4), range(0, 15, 5), range(0, 45, 15)])
def test_frames_of_recordings_that_are_called_after_times_stay_clips(numbers):
    times = "20240131_120058", "20240131_130000"
    files = [f"rec_{time}_{number:03d}.png" for time in times for number in numbers]
    clips = split_clips(files[::-1])
    assert [clip.files for clip in clips] == [tuple(files[:3]), tuple(files[3:])]
    assert all(clip.numbers == tuple(numbers) for clip in clips)


def test_a_cvat_task_of_pictures_that_are_called_after_times(tmp_path):
    names = TIMES["milliseconds of a clock"]
    write(tmp_path / "images", names, None)
    rows = [cvat_files.row(frame) for frame in range(len(names))]
    xml = cvat_files.task(cvat_files.track(rows), len(names), source=None)
    cvat_files.write(tmp_path / "annotations.xml", xml)
    content = convert(tmp_path, tmp_path / "o.json", format="cvat")
    assert misfits(content, tmp_path) == []
    assert len(content["annotations"]) == len(names)
    (tmp_path / "images" / names[2]).unlink()
    with pytest.raises(InputError, match=r"has 4 frames, .*images has 3 pictures without numbers"):
        convert(tmp_path, tmp_path / "o.json", format="cvat")


def found(names) -> set[str]:
    """What the checker finds in a video of pictures with these names."""
    images = [
        {"id": row, "video_id": 1, "frame_id": row - 1, "file_name": name, "width": 9, "height": 9}
        for row, name in enumerate(names, start=1)
    ]
    content = {"categories": [{"id": 1, "name": "car"}], "videos": [{"id": 1, "name": "v"}]}
    bbox = {"bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0, "category_id": 1}
    boxes = [{"id": row, "image_id": row, **bbox} for row in range(1, len(names) + 1)]
    content |= {"images": images, "annotations": boxes}
    return {name for name, finding in check_content(content).findings.items() if finding.count}


@pytest.mark.parametrize("kind", TIMES)
def test_the_checker_knows_the_order_of_times(kind):
    assert found(TIMES[kind]) == set()
    assert found(TIMES[kind][::-1]) == {"frames in another order than their numbers"}


def test_one_picture_under_two_names_is_found():
    assert "files listed twice" in found(["v/1.png", "v/2.png", "./v/2.png"])
    assert "files listed twice" in found(["v/1.png", "v/2.png", "v\\..\\v\\2.png"])


@pytest.mark.parametrize("labels", ["", "obj_train_data", "labels", "obj_Train_data"])
@pytest.mark.parametrize("images", ["", "images"])
def test_labels_whose_pictures_are_in_a_folder_of_their_own(tmp_path, labels, images):
    names = ["frame_000000.PNG", "frame_000001.PNG"]
    write(tmp_path / "labels", names)
    (tmp_path / "export").mkdir()
    (tmp_path / "labels/classes.txt").rename(tmp_path / "export/obj.names")
    for name in names:
        target = tmp_path / "pictures" / images / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / name).rename(target)
    (tmp_path / "labels").rename(tmp_path / "moved")
    (tmp_path / "export" / labels).mkdir(parents=True, exist_ok=True)
    for file in (tmp_path / "moved").iterdir():
        file.rename(tmp_path / "export" / labels / file.name)
    root = tmp_path / "pictures"
    content = convert(tmp_path / "export", tmp_path / "o.json", format="yolo", root=root)
    assert misfits(content, root) == []
    assert len(content["annotations"]) == 2


NAMES = {
    "['no', yes, 007]": ["no", "yes", "007"],
    "[no, yes, 007]": ["no", "yes", "007"],
    "{'0': car, '1': boat}": ["car", "boat"],
    "{1: boat, 0: car}": ["car", "boat"],
    "[1.10, 2024-01-31]": ["1.10", "2024-01-31"],
}
NO_NAMES = {
    "car": r"has no list 'names' of the classes, but 'car' in it: write names: \[NAME",
    "[car, ~]": r"has no list 'names' of the classes, but '~' in it",
    "[car, [boat]]": r"but \"\['boat'\]\" in it",
    "{1: car}": r"'names' has the numbers 1, and classes count from 0 without gaps",
    "{a: car}": r"a key of 'names' is 'a' and must be a number",
}


@pytest.mark.parametrize("names", [*NAMES, *NO_NAMES])
def test_names_of_classes_are_those_that_are_written(tmp_path, names):
    write(tmp_path / "train", ["1.png", "2.png"])
    (tmp_path / "train/classes.txt").unlink()
    (tmp_path / "data.yaml").write_text(f"train: train\nnames: {names}\n")
    if names in NO_NAMES:
        with pytest.raises(InputError, match=NO_NAMES[names]):
            convert(tmp_path, tmp_path / "o.json", format="yolo")
        return
    content = convert(tmp_path, tmp_path / "o.json", format="yolo")
    assert [category["name"] for category in content["categories"]] == NAMES[names]


@pytest.mark.parametrize(("suffix", "kind"), [(".MTS", "mpegts"), (".3gp", "3gp"), (".flv", "flv")])
def test_video_files_of_camcorders_and_phones(tmp_path, suffix, kind):
    path = tmp_path / f"clip{suffix}"
    write_video(path, format=kind, codec="flv1" if kind == "flv" else "mpeg4")
    (tmp_path / "clip").mkdir()
    for index in range(3):
        (tmp_path / f"clip/clip_{index}.txt").write_text(yolo_line(index))
    (tmp_path / "classes.txt").write_text("car\n")
    content = convert(tmp_path, tmp_path / "o.json", format="yolo", root=tmp_path, video_files=True)
    assert content["videos"][0]["file_name"] == path.name
    assert boxes_of_pictures(content)["clip#2"] == [box(2)]


@pytest.mark.parametrize("suffix", [".jfif", ".JFIF", ".ppm"])
def test_pictures_of_browsers_and_of_old_sets(tmp_path, suffix):
    write(tmp_path, ["1.png", "2.png"])
    for index in range(2):
        Image.open(tmp_path / f"{index + 1}.png").save(
            tmp_path / f"{index + 1}{suffix}", "PPM" if suffix == ".ppm" else "JPEG", quality=95
        )
        (tmp_path / f"{index + 1}.png").unlink()
    content = convert(tmp_path, tmp_path / "o.json", format="yolo")
    assert misfits(content, tmp_path, tolerance=1.1) == []
    assert len(content["annotations"]) == 2


def test_labels_that_are_called_after_the_whole_name_of_the_picture(tmp_path):
    write(tmp_path, ["1.png", "2.png"], ".png.txt")
    content = convert(tmp_path, tmp_path / "o.json", format="yolo")
    assert misfits(content, tmp_path) == []
    assert len(content["annotations"]) == 2
    (tmp_path / "2.png").unlink()
    with pytest.raises(InputError, match=r"annotates frame 2\.png, which the folder of images wi"):
        convert(tmp_path, tmp_path / "o.json", format="yolo")


@pytest.mark.parametrize("name", ["2.png", "2.webp", "2.tif"])
def test_an_animation_is_not_a_frame(tmp_path, name):
    write(tmp_path, ["1.png", "2.png"])
    (tmp_path / "2.png").unlink()
    first, *others = (Image.fromarray(picture(index)) for index in range(3))
    first.save(tmp_path / name, save_all=True, append_images=others)
    with pytest.raises(InputError, match=rf"{name} has 3 pictures .*give each frame a file"):
        convert(tmp_path, tmp_path / "o.json", format="yolo")


def test_large_pictures_of_stereo_cameras_are_one_picture(tmp_path):
    write(tmp_path, ["1.jpg"])
    image = Image.fromarray(picture(0)[:, :, ::-1])
    image.save(tmp_path / "1.jpg", "MPO", save_all=True, append_images=[image], quality=95)
    content = convert(tmp_path, tmp_path / "o.json", format="yolo")
    assert misfits(content, tmp_path, tolerance=1.1) == []


def test_tiff_files_that_have_to_be_turned_are_refused(tmp_path):
    """Pillow turns them when they are loaded, and Detectron2 once more."""
    write(tmp_path, ["1.png"])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(tmp_path / "1.png").save(tmp_path / "1.tif", exif=exif)
    (tmp_path / "1.png").unlink()
    with pytest.raises(InputError, match=r"1\.tif cannot be read \(a TIFF file that has to be tu"):
        convert(tmp_path, tmp_path / "o.json", format="yolo")
