"""Label Studio, EPIC: rows and pictures dropped, doubled, added; what is accepted fits.

The oracle is the red box of the pictures.
"""

import json
import random
from pathlib import Path

import pytest

from boxmask_vid.apps.dataset_tools.converters.convert import convert_to_coco_vid
from boxmask_vid.errors import InputError
from support.red_boxes import box, misfits, write_pictures

TURNS = 40
LENGTH = 6


def label_studio(root: Path, choice: random.Random) -> tuple[Path, str]:
    sequence = []
    for index in range(LENGTH):
        x, y, w, h = box(index)
        entry = {"x": x / 3.2, "y": y / 2.4, "width": w / 3.2, "height": h / 2.4, "rotation": 0}
        number = index + 1
        sequence.append({**entry, "frame": number, "time": number / 25, "enabled": True})
    for _ in range(choice.randrange(3)):
        place = choice.randrange(len(sequence) - 1)  # the last one holds to the end of the video
        kind = choice.choice(["drop", "double", "stop", "shuffle", "key", "text"])
        if kind == "drop" and len(sequence) > 3:
            del sequence[place]
        elif kind == "double":
            sequence.insert(place, dict(sequence[place]))
        elif kind == "stop":
            sequence[place]["enabled"] = False
        elif kind == "shuffle":
            choice.shuffle(sequence[:-1])
        elif kind == "key":
            sequence[place]["more"] = [1]
        else:
            sequence[place]["frame"] = str(sequence[place]["frame"])
    if choice.random() < 0.5:  # boxes do not tell how many frames there are
        del sequence[choice.randrange(2, len(sequence)) :]
        sequence[-1]["enabled"] = False
    length = choice.choice([LENGTH] * 4 + [LENGTH - 1, LENGTH + 1])
    value = {"framesCount": length, "sequence": sequence, "labels": ["car"]}
    results = [{"id": "r", "type": "videorectangle", "value": value}]
    results *= choice.choice([1, 1, 1, 2])
    task = {"id": 1, "data": {"video": "clip.mp4"}, "annotations": [{"result": results}]}
    path = root / "project.json"
    path.write_text(json.dumps([task] * choice.choice([1, 1, 1, 1, 2])))
    first = choice.choice([0, 0, 1])
    write_pictures(root / "clip", range(LENGTH), choice.choice(["{:06d}.png", "f_{}.png"]), first)
    return path, "label-studio"


def epic(root: Path, choice: random.Random) -> tuple[Path, str]:
    rows = []
    for index in range(LENGTH):
        x, y, w, h = box(index)
        sides = ", ".join(
            str(round(v * s)) for v, s in zip((y, x, h, w), (4.5, 6) * 2, strict=True)
        )
        rows.append(f'0,cup,P01,P01_01,{index + 11},"[({sides})]"')
    more = ""
    for _ in range(choice.randrange(3)):
        place = choice.randrange(len(rows))
        kind = choice.choice(["drop", "double", "shuffle", "column", "empty", "cut", "blank"])
        if kind == "drop" and len(rows) > 1:
            del rows[place]
        elif kind == "double":
            rows.insert(place, rows[place])
        elif kind == "shuffle":
            choice.shuffle(rows)
        elif kind == "column":
            rows, more = [f"{row},7" for row in rows], more + ",more"
        elif kind == "empty":
            rows[place] = f'0,cup,P01,P01_01,{choice.randrange(9, 20)},"[]"'
        elif kind == "cut":
            rows[place] = rows[place][: choice.randrange(5, len(rows[place]))]
        else:
            rows.insert(place, "")
    head = f"noun_class,noun,participant_id,video_id,frame,bounding_boxes{more}"
    (root / "EPIC_noun_classes.csv").write_text("noun_id,class_key\n0,cup\n")
    path = root / "EPIC_train_object_labels.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    write_pictures(root / "P01/P01_01", range(LENGTH), "frame_{:010d}.png", first=11)
    return path, "epic-kitchens"


def change_pictures(root: Path, choice: random.Random) -> None:
    """Remove pictures, and add files that are none of the video."""
    folder = next(path.parent for path in root.rglob("*.png"))
    for _ in range(choice.choice([0, 0, 1, 2])):
        pictures = sorted(folder.glob("*.png"))
        kind = choice.choice(["drop", "first", "last", "hidden", "text", "other", "folder"])
        if kind in ("drop", "first", "last") and len(pictures) > 2:
            {"first": pictures[0], "last": pictures[-1]}.get(kind, choice.choice(pictures)).unlink()
        elif kind == "hidden":
            (folder / f"._{pictures[0].name}").write_bytes(b"\0")
        elif kind == "text":
            (folder / "notes.txt").write_text("notes\n")
        elif kind == "other":
            write_pictures(folder, [9], choice.choice(["cover.png", "z_{:04d}.png", "{}.png"]))
        else:
            write_pictures(folder / "thumbs", [3])


def run(seed: int, write, root: Path) -> bool:
    """Convert changed files; whether they are accepted."""
    choice = random.Random(seed)
    root.mkdir()
    source, format = write(root, choice)
    change_pictures(root, choice)
    output = root / "o.json"
    try:
        convert_to_coco_vid(source, output, format=format, root=root)
    except InputError:
        return False
    assert misfits(json.loads(output.read_text()), root, tolerance=1.1) == [], seed
    return True


@pytest.mark.parametrize("write", [label_studio, epic])
def test_what_is_accepted_fits(tmp_path, write):
    accepted = [run(seed, write, tmp_path / str(seed)) for seed in range(TURNS)]
    assert 0.1 * TURNS < sum(accepted) < TURNS
