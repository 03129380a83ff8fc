"""Names of the classes of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....errors import InputError
from .labels import Labels


def name_others(
    labels: Labels, classes: Sequence[str] | None, where: str
) -> tuple[Labels, list[str]]:
    """Name the boxes that have no class.

    Args:
        labels: annotations.
        classes: names that the user gives; None for those of the annotations.
        where: name of the annotations, for the note.

    Returns:
        the annotations, and a note if there are such boxes.

    Raises:
        InputError: if several names are given.
    """
    nameless = [box for video in labels.videos for box in video.boxes if box.category is None]
    if not nameless:
        return labels, []
    if classes and len(classes) > 1:
        raise InputError(
            f"{nameless[0].where}: the box has no class, and --classes names {len(classes)}: give "
            f"the one that all {len(nameless)} such boxes have, or {labels.class_remedy}."
        )
    name = classes[0] if classes else labels.class_of_others
    videos = []
    for video in labels.videos:
        boxes = [replace(box, category=box.category or name) for box in video.boxes]
        videos.append(replace(video, boxes=boxes))
    note = (
        f"{len(nameless)} boxes have no class in {where} and are called {name} (--classes NAME "
        "calls them something else)"
    )
    return replace(labels, videos=videos), [note]


def class_names(labels: Labels, classes: Sequence[str] | None) -> list[str]:
    """Names of all classes, in the order of their ids.

    Raises:
        InputError: if there are none, if one occurs twice, or if a box has another one.
    """
    boxes = [box for video in labels.videos for box in video.boxes]
    found = {box.category for box in boxes if box.category is not None}
    names = list(classes or labels.classes or sorted(found))
    if not names:
        left_out = [f"{count} {what}" for what, count in labels.left_out.items() if count]
        reason = f" ({', '.join(left_out)} left out)" if left_out else ""
        raise InputError(
            f"{labels.videos[0].where} has no boxes{reason} and no class names: add --classes."
        )
    if len(set(names)) < len(names):
        raise InputError(f"A class is named twice in {', '.join(names)}: name every class once.")
    known = set(names)
    for box in boxes:
        if box.category not in known:
            raise InputError(
                f"{box.where}: class '{box.category}' is not one of {', '.join(names)}: "
                f"{labels.class_remedy}."
            )
    return names
