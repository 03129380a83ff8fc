"""Exports of CVAT with faults: whatever is accepted fits the red boxes in the pictures."""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from boxmask_vid.errors import InputError
from support.cvat_files import about, image, job, project, row, task, track, write
from support.red_boxes import boxes_of_pictures, convert, misfits, picture
from tests.apps.dataset_tools.converters.test_fuzz import tmp_path  # noqa: F401, in memory

TURNS = 60


@dataclass
class Export:
    """Frames of a task, a row or an image for each, and pictures by their names."""

    frames: range
    rows: list[str]
    pictures: dict[str, int]  # what each shows
    name: str  # of a picture
    first: int  # number of the first frame in the names


def random_export(kind: str, rng: random.Random) -> Export:
    step = rng.choice((1, 1, 2, 5)) if kind in ("task", "job") else 1
    start = rng.choice((0, 0, 3)) if kind in ("task", "job") else 0
    frames = range(start, start + step * rng.randrange(3, 8), step)
    shown = range(frames[-1] + 3) if kind == "job" and rng.random() < 0.5 else frames
    first = rng.choice((0, 0, 1)) if shown == frames and frames[-1] < len(frames) else 0
    name = rng.choice(("frame_{:06d}.png", "frame_{}.png", "{:04d}.png", "cam2-{}.png"))
    pictures = {name.format(index + first): index for index in shown}
    return Export(frames, [], pictures, name, first)


def drop_rows(export: Export, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 3)):
        export.rows.pop(rng.randrange(len(export.rows)))


def double_a_row(export: Export, rng: random.Random) -> None:
    export.rows.insert(rng.randrange(len(export.rows)), rng.choice(export.rows))


def shift_rows(export: Export, rng: random.Random) -> None:
    """Their numbers are shifted where they are written."""


def shuffle_rows(export: Export, rng: random.Random) -> None:
    rng.shuffle(export.rows)


def drop_a_picture(export: Export, rng: random.Random) -> None:
    export.pictures.pop(rng.choice(list(export.pictures)))


def add_a_picture(export: Export, rng: random.Random) -> None:
    """One that goes on behind the last, or before the first."""
    shown = list(export.pictures.values())
    before = shown[0] - 1 if shown[0] + export.first > 0 and shown[0] > 0 else shown[-1] + 1
    index = rng.choice((shown[-1] + 1, before))
    export.pictures[export.name.format(index + export.first)] = index


def add_another_file(export: Export, rng: random.Random) -> None:
    name = rng.choice(("cover.png", "._frame_000001.png", "frame_000000.jpg", "frame_00.png"))
    export.pictures[rng.choice((name, "other_000001.png"))] = 9


def rename_pictures(export: Export, rng: random.Random) -> None:
    by = rng.choice((1, 3, 1000))
    export.pictures = {f"f{i + by}.png": shown for i, shown in enumerate(export.pictures.values())}


FAULTS = (
    *(drop_rows, double_a_row, shift_rows, shuffle_rows),
    *(drop_a_picture, add_a_picture, add_another_file, rename_pictures),
)


def write_export(kind: str, export: Export, path: Path) -> Path:
    size, start, step = len(export.frames), export.frames[0], export.frames.step
    content = track(export.rows)
    if kind == "images":
        write(path, task("".join(export.rows), size))
    elif kind == "job":
        write(path, job(content, size, start=start, step=step))
    elif kind == "project":
        first = track((row(i) for i in range(4)), more='task_id="1"')
        content = track(export.rows, more='task_id="2"')
        tasks = about(4, name="a", source="a.mp4"), about(size, name="street")
        write(path, project(first + content, *tasks))
    else:
        write(path, task(content, size, start=start, step=step))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["task", "job", "project", "images"])
def test_what_is_accepted_fits(tmp_path, kind):  # noqa: F811
    rng = random.Random(kind)
    outcomes: Counter = Counter()
    for turn in range(TURNS):
        export = random_export(kind, rng)
        fault = rng.choice((None, *FAULTS))
        first = 4 if kind == "project" else 0
        shift = rng.choice((-2, -1, 1, 2, 100)) if fault is shift_rows else 0
        numbers = [frame + first + shift for frame in export.frames]
        if kind == "images":
            rows = [image(f"frame_{n:06d}", f) for n, f in zip(numbers, export.frames, strict=True)]
        else:
            rows = [row(n, f) for n, f in zip(numbers, export.frames, strict=True)]
        export.rows = rows
        if fault is not None:
            fault(export, rng)
        root = tmp_path / f"{turn}"
        for folder, pictures in (
            ("a" if kind == "project" else None, {f"{i}.png": i for i in range(4)}),
            ("street", export.pictures),
        ):
            for name, shown in pictures.items() if folder else ():
                (root / folder).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / folder / name), picture(shown))
        source = write_export(kind, export, root / "street.xml")
        try:
            content = convert(source, root / "out.json", format="cvat", root=root)
        except InputError:
            outcomes[fault.__name__ if fault else "none", "refused"] += 1
            continue
        assert misfits(content, root) == [], (turn, fault, export)
        name = fault.__name__ if fault else "none"
        outcomes[name, "accepted"] += 1
        if fault in (None, double_a_row, shuffle_rows):
            count = sum(map(len, boxes_of_pictures(content).values()))
            assert count == len(export.frames) + (4 if kind == "project" else 0)
    assert outcomes["none", "accepted"] > 0 == outcomes["none", "refused"]
    refusals = sum(count for (_, what), count in outcomes.items() if what == "refused")
    assert refusals > TURNS // 8, outcomes
