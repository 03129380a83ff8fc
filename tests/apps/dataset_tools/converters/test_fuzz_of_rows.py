"""Rows dropped, doubled, shifted, longer; folders with more or fewer files: what is accepted fits.

The oracle is the red box of the pictures.
"""

import json
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boxmask_vid.apps.dataset_tools.converters.convert import convert_to_coco_vid
from boxmask_vid.errors import InputError
from support.red_boxes import box, misfits, write_pictures

TURNS = 100
LEFT_OUT = re.compile(r"^(\d+) (?:boxes|.*, with flag 0).* left out$", re.MULTILINE)
LENGTH = 6


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where that is possible: thousands of files are written."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def write_mot(root: Path, *, first: int, row: str, corner: int, labels: str, info: bool) -> None:
    gt = root / "street/gt/gt.txt"
    gt.parent.mkdir(parents=True)
    lines = []
    for index in range(LENGTH):
        x, y, w, h = box(index)
        lines.append(row.format(index + 1, x + corner, y + corner, w, h))
    gt.write_text("\n".join(lines) + "\n")
    write_pictures(
        root / "street/img1", range(LENGTH), "{:06d}.png" if first else "frame_{:06d}.png", first
    )
    if labels:
        (root / "street/gt/labels.txt").write_text(labels)
    if info:
        (root / "street/seqinfo.ini").write_text(
            f"[Sequence]\nimDir=img1\nseqLength={LENGTH}\nimWidth=320\nimHeight=240\n"
        )


def yolo_line(index: int) -> str:
    x, y, w, h = box(index)
    return f"0 {(x + w / 2) / 320:.6f} {(y + h / 2) / 240:.6f} {w / 320:.6f} {h / 240:.6f}\n"


def write_yolo(root: Path, labels: str, images: str, name: str, classes: str) -> None:
    write_pictures(root / images, range(LENGTH), f"{name}.png")
    (root / labels).mkdir(parents=True, exist_ok=True)
    for index in range(LENGTH):
        (root / labels / f"{name.format(index)}.txt").write_text(yolo_line(index))
    (root / classes).write_text("names: [car]\n" if classes == "data.yaml" else "car\n")


def write_two_clips(root: Path) -> None:
    for clip in ("north", "south"):
        write_yolo(root, "labels/train", "images/train", clip + "_{:04d}", "data.yaml")


def write_voc(root: Path, *, corner: int, decimals: str) -> None:
    write_pictures(root / "JPEGImages", range(LENGTH))
    (root / "Annotations").mkdir()
    for index in range(LENGTH):
        x, y, w, h = box(index)
        corners = zip(
            ("xmin", "ymin", "xmax", "ymax"), (x + corner, y + corner, x + w, y + h), strict=True
        )
        sides = "".join(f"<{tag}>{value}{decimals}</{tag}>" for tag, value in corners)
        (root / f"Annotations/frame_{index:06d}.xml").write_text(
            "<annotation><size><width>320</width><height>240</height></size>\n"
            f"<object><name>car</name><bndbox>{sides}</bndbox></object>\n</annotation>\n"
        )


def write_youtube_vis(root: Path) -> None:
    write_pictures(root / "street", range(LENGTH), "{:05d}.png")
    content = {
        "videos": [
            {
                "id": 1,
                "width": 320,
                "height": 240,
                "length": LENGTH,
                "file_names": [f"street/{index:05d}.png" for index in range(LENGTH)],
            }
        ],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"video_id": 1, "category_id": 1, "bboxes": []}],
    }
    boxes = ",\n".join(json.dumps(box(index)) for index in range(LENGTH))
    text = json.dumps(content).replace('"bboxes": []', f'"bboxes": [\n{boxes}\n]')
    (root / "train.json").write_text(text)


MOT = "{},1,{},{},{},{},1,1,1.0"
LAYOUTS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "mot": (
        "mot",
        lambda root: write_mot(root, first=1, row=MOT, corner=1, labels="", info=True),
        "gt.txt",
    ),
    "mot without seqinfo.ini": (
        "mot",
        lambda root: write_mot(root, first=1, row=MOT, corner=1, labels="", info=False),
        "gt.txt",
    ),
    "mot of CVAT": (
        "mot",
        lambda root: write_mot(root, first=0, row=MOT, corner=0, labels="car\n", info=False),
        "gt.txt",
    ),
    "mot of 2015": (
        "mot",
        lambda root: write_mot(
            root, first=1, row="{},1,{},{},{},{},1,4.5,-2.25,0", corner=1, labels="", info=True
        ),
        "gt.txt",
    ),
    "yolo": (
        "yolo",
        lambda root: write_yolo(root, "street", "street", "{:06d}", "classes.txt"),
        ".txt",
    ),
    "yolo of LabelImg": (
        "yolo",
        lambda root: write_yolo(root, ".", ".", "f{}", "classes.txt"),
        ".txt",
    ),
    "yolo of CVAT": (
        "yolo",
        lambda root: write_yolo(
            root, "obj_train_data", "obj_train_data", "frame_{:06d}", "obj.names"
        ),
        ".txt",
    ),
    "yolo of Ultralytics": ("yolo", write_two_clips, ".txt"),
    "voc": ("voc", lambda root: write_voc(root, corner=1, decimals=""), ".xml"),
    "voc of CVAT": ("voc", lambda root: write_voc(root, corner=0, decimals=".0"), ".xml"),
    "youtube-vis": ("youtube-vis", write_youtube_vis, ".json"),
}


def annotation_files(root: Path, suffix: str) -> list[Path]:
    return [
        path
        for path in sorted(root.rglob(f"*{suffix}"))
        if path.name != "classes.txt" and path.name != "labels.txt"
    ]


def count_rows(files: list[Path]) -> int:
    """Number of boxes in annotation files."""
    texts = [path.read_text() for path in files]
    if files[0].suffix == ".json":
        return sum(box is not None for box in json.loads(texts[0])["annotations"][0]["bboxes"])
    if files[0].suffix == ".xml":
        return sum(text.count("<object>") for text in texts)
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def separator(path: Path) -> str | None:
    return "," if path.name == "gt.txt" else " " if path.suffix == ".txt" else None


def drop_rows(root: Path, files: list[Path], rng: random.Random) -> None:
    path = rng.choice(files)
    lines = path.read_text().splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    path.write_text("".join(lines))


def double_rows(root: Path, files: list[Path], rng: random.Random) -> None:
    path = rng.choice(files)
    lines = path.read_text().splitlines(keepends=True)
    line = rng.choice(lines)
    lines.insert(rng.randrange(len(lines) + 1), line)
    path.write_text("".join(lines))


def longer_rows(root: Path, files: list[Path], rng: random.Random) -> None:
    """A column more in one row, or in all rows."""
    mark = separator(files[0])
    if mark is None:
        return
    place, in_all = rng.randrange(10), rng.random() < 0.6
    value = rng.choice(("0", "1", "-1", "0.5", "0.871", "7", "1.0", "car"))
    chosen = files if in_all else [rng.choice(files)]
    for path in chosen:
        lines = path.read_text().splitlines()
        for row in range(len(lines)) if in_all else [rng.randrange(len(lines))]:
            fields = lines[row].split(mark)
            fields.insert(min(place, len(fields)), value)
            lines[row] = mark.join(fields)
        path.write_text("\n".join(lines) + "\n")


def shorter_row(root: Path, files: list[Path], rng: random.Random) -> None:
    mark, path = separator(files[0]), rng.choice(files)
    if mark is None:
        return
    lines = path.read_text().splitlines()
    row = rng.randrange(len(lines))
    fields = lines[row].split(mark)
    del fields[rng.randrange(len(fields))]
    lines[row] = mark.join(fields)
    path.write_text("\n".join(lines) + "\n")


def shift_frames(root: Path, files: list[Path], rng: random.Random) -> None:
    """All annotations are of the frame before or after, or of one far away."""
    by = rng.choice((-1, 1, 371))
    if files[0].name == "gt.txt":
        lines = [line.split(",") for line in files[0].read_text().splitlines()]
        shifted = [",".join((str(int(line[0]) + by), *line[1:])) for line in lines]
        files[0].write_text("\n".join(shifted) + "\n")
    elif len(files) == LENGTH and by > 0:  # the first file would be lost
        texts = [path.read_text() for path in files]
        for path in files:
            path.unlink()
        stem = files[0].stem.rstrip("0123456789")
        width = len(files[0].stem) - len(stem)
        for index, text in enumerate(texts):
            name = f"{stem}{index + by:0{width}d}{files[0].suffix}"
            files[0].with_name(name).write_text(text)


def pictures(root: Path) -> list[Path]:
    return sorted(root.rglob("*.png"))


def remove_picture(root: Path, files: list[Path], rng: random.Random) -> None:
    rng.choice(pictures(root)).unlink()


def add_picture(root: Path, files: list[Path], rng: random.Random) -> None:
    """One behind the last, one of another kind, a second one of a frame, a cover, a thumbnail."""
    path = rng.choice(pictures(root))
    stem = path.stem.rstrip("0123456789")
    number = len(path.stem) - len(stem)
    behind = f"{stem}{LENGTH + 1:0{number}d}.png"
    name = rng.choice((behind, "cover.png", "._" + path.name, ".hidden.png", path.stem + ".jpg"))
    shutil.copy(path, path.with_name(name))


def rename_pictures(root: Path, files: list[Path], rng: random.Random) -> None:
    """Numbers of another width, or numbers that count from elsewhere."""
    by, width = rng.choice(((0, 1), (0, 9), (1, 6), (371, 6)))
    paths = pictures(root)
    folder = paths[0].with_name("before")
    folder.mkdir()
    moved = [path.rename(folder / path.name) for path in paths]
    for path in moved:
        stem = path.stem.rstrip("0123456789")
        number = int(path.stem[len(stem) :]) + by
        path.rename(folder.parent / f"{stem}{number:0{width}d}.png")
    folder.rmdir()


def add_files(root: Path, files: list[Path], rng: random.Random) -> None:
    folder = rng.choice([root, files[0].parent, pictures(root)[0].parent])
    name = rng.choice(("Thumbs.db", ".DS_Store", "notes.md", "README.txt", "copy/frame_000000.png"))
    (folder / name).parent.mkdir(exist_ok=True)
    shutil.copy(pictures(root)[0] if name.endswith("png") else files[0], folder / name)


MUTATIONS = (
    *(drop_rows, double_rows, longer_rows, shorter_row, shift_frames),
    *(remove_picture, add_picture, rename_pictures, add_files),
)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_accepted_fits_the_pictures_and_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture, layout: str
) -> None:
    format, write, suffix = LAYOUTS[layout]
    write(tmp_path / "whole")
    rng = random.Random(layout)
    accepted, refused = 0, 0
    for turn in range(TURNS):
        root = tmp_path / f"{turn}"
        shutil.copytree(tmp_path / "whole", root)
        chosen = rng.choice(MUTATIONS)
        if turn:
            chosen(root, annotation_files(root, suffix), rng)
        source = root / "train.json" if format == "youtube-vis" else root
        capsys.readouterr()
        try:
            convert_to_coco_vid(source, tmp_path / "out.json", format=format)
        except InputError:
            refused += 1
        else:
            accepted += 1
            content = json.loads((tmp_path / "out.json").read_text())
            wrong = misfits(content, root)
            assert not wrong, (chosen.__name__, wrong)
            out = capsys.readouterr().out
            rows = count_rows(annotation_files(root, suffix))
            left_out = sum(int(count) for count in LEFT_OUT.findall(out))
            assert len(content["annotations"]) + left_out == rows, (chosen.__name__, out)
        shutil.rmtree(root)
    assert min(accepted, refused) > TURNS // 20, (accepted, refused)
