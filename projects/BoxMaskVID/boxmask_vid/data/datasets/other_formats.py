"""JSON of other tools that people take for COCO-VID, and what to do with it."""

from __future__ import annotations

from itertools import chain

CONVERT = "convert it with 'datasets/convert_to_coco_vid.py SOURCE --from {} --output OUT.json'"


def other_format(content: object) -> str | None:
    """Name the format of a JSON that is not COCO-VID and the way out; None if it is not known."""
    if isinstance(content, dict):
        if _has_records(content.get("videos"), "file_names") and "images" not in content:
            return f"it is YouTube-VIS JSON: {CONVERT.format('youtube-vis')}"
        return None
    if _has_records(content, "image_id", "bbox"):
        way_out = "score them with 'tools/evaluate_detections.py --gt GT.json'"
        return f"it is a list of detections: {way_out}"
    if "videorectangle" in _label_studio_shapes(content) or _has_records(content, "video", "box"):
        return f"it is Label Studio's JSON of videos: {CONVERT.format('label-studio')}"
    if _has_records(content, "data", "annotations"):
        return "it is Label Studio's JSON without boxes in videos: export still images as COCO"
    return None


def _has_records(value: object, *fields: str) -> bool:
    """Whether a value is a list whose first entry is a record with these fields."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and all(field in first for field in fields)


def _label_studio_shapes(content: object) -> set[str]:
    """Types of the shapes of all tasks."""
    tasks = content if isinstance(content, list) else []
    shapes: set[str] = set()
    for annotation in _records_of(tasks, "annotations"):
        shapes.update(str(shape.get("type")) for shape in _records_of([annotation], "result"))
    return shapes


def _records_of(records: list, field: str) -> list[dict]:
    """All records of the lists that a field of some records has."""
    lists = [record.get(field) for record in records if isinstance(record, dict)]
    entries = chain.from_iterable(value for value in lists if isinstance(value, list))
    return [entry for entry in entries if isinstance(entry, dict)]
