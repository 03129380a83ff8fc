"""The sections of a report: each says in a sentence what its figures mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...evaluation.motion import MOTION_RANGES
from ...evaluation.scores import SCORERS, Metric
from . import plots
from .analysis.calibration import LOWEST_SCORE
from .analysis.errors import KINDS, MISSED
from .heat_table import Heat, table
from .html import Html, element, joined, number, percent
from .pictures import RIGHT_COLOUR, TRUTH_COLOUR, frames_of_video
from .strips import found_strips
from .study import Study

ORANGE = "213, 94, 0"
RESTLESS_TRACKS = 12
WORST_VIDEOS = 6
KIND_MEANINGS = {
    "classification": "right place, wrong class",
    "localisation": "right class, but an IoU with the object from 0.1 to 0.5",
    "both": "wrong class, and an IoU with the object from 0.1 to 0.5",
    "duplicate": "on an object that was found already",
    "background": "no object there (IoU up to 0.1)",
    "missed": "an object not found, without an error of class or location about it",
}


def section(title: str, explanation: str, *parts: str) -> Html:
    """A heading, what is seen below it, and that."""
    words = element("p", explanation, class_="explanation")
    return element("section", element("h2", title), words, *parts)


def note(text: str) -> Html:
    """What could not be told, and why."""
    return element("p", text, class_="note")


def headline(study: Study) -> Html:
    """The most important figures."""
    point, truth = study.point, study.ground_truth
    names = {"AP": ("coco", "AP"), "AP50": ("coco", "AP50")}
    names |= {f"AP50, {each}": (each, "AP50") for each in SCORERS[1:]}
    cards = []
    for title, (scorer, name) in names.items():
        metric = Metric(scorer, "all", name)
        low, high = study.scores.interval(metric)
        below = f"{percent(low)} to {percent(high)}"
        cards.append(_card(title, percent(study.scores.mean(metric)), below))
    threshold = f"at score ≥ {number(point.threshold, 2)}"
    cards += [
        _card("precision", percent(point.precision), threshold),
        _card("recall", percent(point.recall), threshold),
    ]
    videos = len(np.unique(truth.image_videos))
    counts = (
        f"{videos:,} videos, {len(truth.image_ids):,} frames, {len(truth):,} objects in them, "
        f"{len(study.detections):,} detections. "
    )
    words = (
        "Figures are percentages; below each AP is the 95 % interval to be expected from other "
        "videos of the same kind (bootstrap over videos). Precision, recall and all counts in this "
        f"report are of detections with a score of at least {number(point.threshold)}, where F1, "
        "the harmonic mean of precision and recall, is best."
    )
    return joined(
        [element("p", counts + words, class_="explanation"), element("div", *cards, class_="cards")]
    )


def by_scorer(study: Study) -> Html:
    """AP by scorer and motion."""
    rows = []
    for scorer, name in [("coco", "AP"), ("coco", "AP50"), ("coco", "AP75")] + [
        (each, "AP50") for each in SCORERS[1:]
    ]:
        cells = [_score_cell(study, Metric(scorer, each, name)) for each in study.motion_ranges]
        rows.append([f"{scorer} {name}", *cells])
    explanation = (
        "Papers score in three ways that differ in matching and averaging: coco (mmtracking, "
        "BoxMask, TransVOD), ilsvrc (FGFA, SELSA, YOLOV) and mega (MEGA, DiffusionVID); compare a "
        "figure only with those of the same row. Fast objects have a motion IoU below 0.7, slow "
        "ones above 0.9. For some motions, coco still counts all wrong detections; ilsvrc and mega "
        "weigh them by the motion of the objects around."
    )
    heads = ["", *(_range_title(study, each) for each in study.motion_ranges)]
    parts = [table(rows, heads), *_motion_notes(study)]
    return section("Average precision: which AP is this?", explanation, *parts)


def by_class(study: Study) -> Html:
    """AP of each class, and curves."""
    ranges = study.motion_ranges
    metrics = [Metric(scorer, motion, "AP50") for scorer in SCORERS for motion in ranges]
    metrics = [Metric("coco", "all", "AP"), *metrics]
    truth = study.ground_truth
    counts = np.bincount(truth.classes[~truth.is_crowd], minlength=truth.num_classes)
    rows = []
    for each, name in enumerate(truth.class_names):
        values = [float(study.scores.per_class[metric][each]) for metric in metrics]
        rows.append([name, f"{counts[each]:,}", *(Heat(percent(v), v) for v in values)])
    spans = [(f"{scorer} AP50", len(ranges)) for scorer in SCORERS]
    heads = ["", "", ("coco", 1), *spans], ["class", "objects", "AP", *(ranges * len(SCORERS))]
    explanation = "The darker, the better; a dash where a class has no object of that motion."
    return section("Each class", explanation, table(rows, *heads))


def curves(study: Study) -> Html:
    """Precision over recall."""
    explanation = (
        "Lowering the score threshold moves along a curve to the right: more objects are found, "
        "and more detections are wrong. A curve that ends early has objects that are not found at "
        "any score; one that starts low has wrong detections with the highest scores."
    )
    plot = plots.precision_recall(study.curves, study.ground_truth.class_names)
    return section("Precision and recall", explanation, plot)


def kinds_of_errors(study: Study) -> Html:
    """What each kind costs, overall and in groups."""
    errors = study.confident_errors
    counts = np.bincount(errors.kinds[errors.kinds >= 0], minlength=len(KINDS))
    counts[MISSED] = errors.missed.sum()
    gains = study.gains["", "all objects"][1].gains
    rows = [
        [name, KIND_MEANINGS[name], f"{count:,}", percent(gain)]
        for name, count, gain in zip(KINDS, counts, gains, strict=True)
    ]
    largest = np.nanmax([*(g for _, each in study.gains.values() for g in each.gains), 1e-9])
    groups = []
    for (title, name), (boxes, (ap50, of_group)) in study.gains.items():
        cells = [Heat(percent(gain), gain / largest, ORANGE) for gain in of_group]
        groups.append([f"{title}: {name}" if title else name, f"{boxes:,}", percent(ap50), *cells])
    explanation = (
        "Each wrong detection is of one kind (after TIDE, Bolya et al. 2020). What a kind costs is "
        "the AP50, in points, that would be gained if its errors alone were mended: the longest "
        "bar is what to work on first. Gains do not add up, because mended errors uncover others."
    )
    below = (
        "The same for some objects only, the others and errors about them left aside; errors on "
        "the background belong to no object and count in every group. Size is COCO's: small up to "
        "32 x 32 pixels, large from 96 x 96."
    )
    names = ["kind", "what it is", "how many", "AP50 gained"]
    heads = ["objects", "how many", "AP50", *KINDS]
    parts = [plots.error_bars(gains), table(rows, names, class_="words")]
    parts += [element("p", below, class_="explanation"), table(groups, heads)]
    return section("Kinds of errors", explanation, *parts, *_occlusion_notes(study))


def confusions(study: Study) -> Html:
    """Confusion matrix."""
    explanation = (
        "A row is what an object is, a column what it is found as, with numbers of objects; "
        "colours are shares of the row. The last row has detections where no object is left, the "
        "last column objects that nothing finds."
    )
    plot = plots.confusion(study.confusion, study.ground_truth.class_names)
    return section("Confusion of classes", explanation, plot)


def steadiness(study: Study) -> Html:
    """Stability along tracks."""
    title = "Steadiness along tracks"
    if not study.has_tracks:
        words = "The ground truth has no tracks (instance_id), so this cannot be measured."
        return section(title, "How much detections flicker and tremble.", note(words))
    result = study.stability
    motion = np.array([study.motion[first] for first in result.first_boxes])
    groups = {"all tracks": np.ones(len(result), dtype=bool)}
    for name, (low, high) in MOTION_RANGES.items():
        if name != "all":
            groups[f"motion: {name}"] = (motion >= low) & (motion <= high)
    for each, name in enumerate(study.ground_truth.class_names):
        groups[f"class: {name}"] = result.classes == each
    rows = [[name, *_steadiness_cells(study, group)] for name, group in groups.items()]
    explanation = (
        "After Zhang and Wang (2017); smaller is better. Fragment: how often, of all steps from a "
        "frame to the next, an object changes between found and lost (flicker). Centre: how much "
        "the detected centre wanders around the object's, in widths and heights of the object. "
        "Scale: how much its size and shape do, as ratios. Means over tracks; motion is that of "
        "the track's first box."
    )
    heads = ["", "tracks", "frames found in %", "fragment", "centre", "scale", "sum"]
    below = "The tracks that flicker most, a cell for each frame: found (blue) or lost (orange)."
    parts = [table(rows, heads), element("p", below, class_="explanation")]
    return section(title, explanation, *parts, found_strips(study, RESTLESS_TRACKS))


def calibrated(study: Study) -> Html:
    """Calibration."""
    explanation = (
        "If scores are calibrated, 80 % of the detections with a score of 0.8 are right. The mean "
        f"gap between the two is {percent(study.calibration.error)} points (expected calibration "
        f"error, detections with a score of at least {LOWEST_SCORE})."
    )
    plot = plots.reliability(study.calibration)
    return section("Do scores mean what they say?", explanation, plot)


def worst_videos(study: Study, images: Path | None) -> Html:
    """Those with the lowest F1, with pictures if there are any."""
    f1 = study.videos.f1
    order = [each for each in np.argsort(f1, kind="stable") if not np.isnan(f1[each])]
    explanation = (
        "The videos with the lowest F1, and of each quarter of a video the frame with the most "
        "errors. Numbers are scores; colours:"
    )
    colours = {"object (dashed: not found)": TRUTH_COLOUR, "right": RIGHT_COLOUR}
    colours |= {name: colour for name, colour in plots.KIND_COLOURS.items() if name != "missed"}
    chips = [
        element("span", element("i", style=f"background:{colour}"), name, class_="chip")
        for name, colour in colours.items()
    ]
    parts = [element("p", *chips)]
    if images is None:
        parts = [note("There are no pictures, because no folder was given (--images).")]
        explanation = "The videos with the lowest F1."
    for video in order[:WORST_VIDEOS]:
        parts.append(_video(study, video))
        if images is not None:
            parts.append(frames_of_video(study, video, images))
    return section("The worst videos", explanation, *parts)


def _video(study: Study, video: int) -> Html:
    result = study.videos
    kinds = ", ".join(
        f"{count} {name}" for name, count in zip(KINDS, result.kinds[video], strict=True) if count
    )
    words = (
        f"F1 {percent(result.f1[video])}: {result.right[video]} of {result.boxes[video]} objects "
        f"found; errors: {kinds or 'none'}"
    )
    return element("h3", study.video_name(video), " ", element("small", words))


def _card(title: str, value: str, below: str) -> Html:
    parts = element("div", title), element("strong", value), element("small", below)
    return element("div", *parts, class_="card")


def _score_cell(study: Study, metric: Metric) -> Html:
    low, high = study.scores.interval(metric)
    interval = "" if np.isnan(low) else f"{percent(low)} to {percent(high)}"
    return joined([percent(study.scores.mean(metric)), " ", element("small", interval)])


def _range_title(study: Study, name: str) -> str:
    key = ("", "all objects") if name == "all" else ("motion", name)
    return f"{name} ({study.gains[key][0]:,} objects)"


def _motion_notes(study: Study) -> list[Html]:
    lost = int((study.ground_truth.tracks < 0).sum())
    if not study.has_tracks:
        return [note("The ground truth has no tracks (instance_id), so motion is unknown.")]
    if lost:
        return [note(f"{lost:,} objects have no track (instance_id) and count as slow.")]
    return []


def _occlusion_notes(study: Study) -> list[Html]:
    lost = int((study.ground_truth.occluded < 0).sum())
    if "occlusion" not in study.groups:
        words = "The ground truth does not say which objects are occluded (no 'occluded' flags)."
        return [note(words)]
    if lost:
        return [note(f"{lost:,} objects have no 'occluded' flag and are in neither of its groups.")]
    return []


def _steadiness_cells(study: Study, group: np.ndarray) -> list[str]:
    result = study.stability
    found = [result.found[each] for each in np.flatnonzero(group)]
    share = float(np.concatenate(found).mean()) if found else float("nan")
    errors = [
        float(np.nanmean(column[group])) if (~np.isnan(column[group])).any() else float("nan")
        for column in (result.fragment, result.centre, result.scale)
    ]
    return [f"{group.sum():,}", percent(share), *(number(e) for e in errors), number(sum(errors))]
