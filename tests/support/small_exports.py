"""Small exports of tools, whose boxes are those of the pictures of red_boxes."""

from pathlib import Path

from support.red_boxes import box, write_pictures


def yolo_line(index: int) -> str:
    x, y, w, h = box(index)
    return f"0 {(x + w / 2) / 320:.6f} {(y + h / 2) / 240:.6f} {w / 320:.6f} {h / 240:.6f}\n"


def write_labels(folder: Path, name: str = "frame_{:06d}.txt", count: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        (folder / name.format(index)).write_text(yolo_line(index))


def write_mot(sequence: Path) -> None:
    (sequence / "gt").mkdir(parents=True)
    rows = []
    for index in range(3):
        x, y, w, h = box(index)
        rows.append(f"{index + 1},1,{x + 1},{y + 1},{w},{h},1,1,1\n")
    (sequence / "gt/gt.txt").write_text("".join(rows))
    write_pictures(sequence / "img1", range(3), "{:06d}.png", first=1)


def voc_text(index: int) -> str:
    x, y, w, h = box(index)
    corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + w, "ymax": y + h}
    sides = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners.items())
    return f"<annotation><object><name>car</name><bndbox>{sides}</bndbox></object></annotation>"


def count(content: dict) -> int:
    return len(content["annotations"])
