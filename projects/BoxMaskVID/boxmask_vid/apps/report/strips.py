"""Tracks as strips of frames, found or lost."""

from __future__ import annotations

import numpy as np

from .html import Html, element
from .study import Study

FOUND, LOST = "#56B4E9", "#D55E00"
WIDTH, HEIGHT = 600, 14  # of a strip, pixels


def found_strips(study: Study, count: int) -> Html:
    """The tracks with the largest fragment errors.

    Args:
        study: with tracks.
        count: how many at most; only those that change at all.
    """
    result = study.stability
    fragment = np.nan_to_num(result.fragment)
    lengths = np.array([len(each) for each in result.found])
    order = np.lexsort((-lengths, -fragment)) if len(result) else np.zeros(0, dtype=int)
    chosen = [each for each in order[:count] if fragment[each] > 0]
    if not chosen:
        return element("p", "No track changes between found and lost.", class_="note")
    return element("table", *(_row(study, each) for each in chosen), class_="strips")


def _row(study: Study, track: int) -> Html:
    result = study.stability
    found = result.found[track]
    width = WIDTH / len(found)
    changes = np.flatnonzero(np.diff(found)) + 1
    starts, ends = [0, *changes.tolist()], [*changes.tolist(), len(found)]
    runs = [
        element(
            "rect",
            x=round(start * width, 2),
            y=0,
            width=round((end - start) * width, 2),
            height=HEIGHT,
            fill=FOUND if found[start] else LOST,
        )
        for start, end in zip(starts, ends, strict=True)
    ]
    name = study.ground_truth.class_names[result.classes[track]]
    where = f"{study.video_name(result.videos[track])}, track {result.tracks[track]}"
    strip = element("svg", *runs, width=WIDTH, height=HEIGHT, viewBox=f"0 0 {WIDTH} {HEIGHT}")
    label = element("th", name, " ", element("small", where))
    frames = f"{found.sum()} of {len(found)} frames, {len(changes)} changes"
    return element("tr", label, element("td", strip), element("td", element("small", frames)))
