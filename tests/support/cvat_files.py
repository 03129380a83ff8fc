"""CVAT's XML for pictures that show their box (see red_boxes)."""

from collections.abc import Iterable
from pathlib import Path

from support.red_boxes import box

LABELS = "<labels><label><name>car</name></label></labels>"


def corners(index: int) -> str:
    x, y, w, h = box(index)
    return f'xtl="{x}" ytl="{y}" xbr="{x + w}" ybr="{y + h}"'


def row(frame: int, index: int | None = None, *, outside: int = 0, more: str = "") -> str:
    """Box of a track at a frame, as picture ``index`` (that of the frame) shows it."""
    place = corners(frame if index is None else index)
    return f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" {place} {more}/>'


def track(rows: Iterable[str], *, label: str = "car", more: str = "") -> str:
    return f'<track id="0" label="{label}" source="manual" {more}>{"".join(rows)}</track>'


def image(name: str, index: int) -> str:
    shape = f'<box label="car" source="manual" occluded="0" {corners(index)} z_order="0"/>'
    return f'<image id="{index}" name="{name}" width="320" height="240">{shape}</image>'


def about(
    size: int,
    *,
    name: str = "street",
    start: int = 0,
    step: int = 1,
    source: str | None = "street.mp4",
    more: str = "",
) -> str:
    """What <task> and <job> have."""
    stop = start + step * (size - 1)
    rule = f"step={step}" if step > 1 else ""
    of_video = ""
    if source is not None:
        of_video = (
            "<original_size><width>320</width><height>240</height></original_size>"
            f"<source>{source}</source>"
        )
    return (
        f"<name>{name}</name><size>{size}</size><start_frame>{start}</start_frame>"
        f"<stop_frame>{stop}</stop_frame><frame_filter>{rule}</frame_filter>{more}{of_video}"
    )


def annotations(meta: str, content: str) -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{head}<annotations><version>1.1</version><meta>{meta}</meta>{content}</annotations>"


def task(content: str, size: int, **kwargs) -> str:
    return annotations(f"<task><id>1</id>{LABELS}{about(size, **kwargs)}</task>", content)


def job(content: str, size: int, *, start: int = 0, step: int = 1) -> str:
    """A job has no name and no source; the size of its frames is beside it."""
    stop = start + step * (size - 1)
    rule = f"step={step}" if step > 1 else ""
    return annotations(
        f"<job><id>1</id><size>{size}</size><start_frame>{start}</start_frame><stop_frame>{stop}"
        f"</stop_frame><frame_filter>{rule}</frame_filter>{LABELS}</job><original_size><width>320"
        "</width><height>240</height></original_size>",
        content,
    )


def project(content: str, *tasks: str) -> str:
    """A project of tasks, each as ``about`` has it, with ids 1, 2, ..."""
    nodes = "".join(f"<task><id>{i}</id>{text}</task>" for i, text in enumerate(tasks, start=1))
    return annotations(
        f"<project><id>7</id><name>traffic</name><tasks>{nodes}</tasks>{LABELS}</project>", content
    )


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path
