"""The three scorers and motion IoU in their slow, plain form, box by box: the oracle of the tests.

Boxes are x1, y1, x2, y2 (COCO's x, y, x + w, y + h).
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections import defaultdict

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def corners(box: list[float]) -> list[float]:
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def iou(a: list[float], b: list[float], extra: float) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + extra
    height = min(a[3], b[3]) - max(a[1], b[1]) + extra
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(c[2] - c[0] + extra) * (c[3] - c[1] + extra) for c in (a, b)]
    return width * height / (sum(areas) - width * height)


def plain_motion(content: dict) -> list[float]:
    """Motion IoU of each annotation."""
    frames = {image["id"]: (image["video_id"], image["frame_id"]) for image in content["images"]}
    result = []
    for a in content["annotations"]:
        video, frame = frames[a["image_id"]]
        total = count = 0
        for b in content["annotations"]:
            other_video, other = frames[b["image_id"]]
            near = other_video == video and 1 <= abs(frame - other) <= 10
            if near and a["instance_id"] == b["instance_id"]:
                total += iou(corners(a["bbox"]), corners(b["bbox"]), 1)
                count += 1
        result.append((total + 1e-10) / (count + 1e-10))
    return result


def by_image(content: dict, results: list[dict]) -> dict[int, tuple[list[dict], list[dict]]]:
    grouped = {image["id"]: ([], []) for image in content["images"]}
    motion = plain_motion(content)
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for a, value in zip(content["annotations"], motion, strict=True):
        x1, y1, x2, y2 = corners(a["bbox"])
        width, height = sizes[a["image_id"]]
        clipped = [
            *(min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)),
            *(min(max(x2, 0), width - 1), min(max(y2, 0), height - 1)),
        ]
        box = {"class": a["category_id"], "box": [x1, y1, x2, y2], "clipped": clipped}
        grouped[a["image_id"]][0].append({**box, "motion": value})
    for row in results:
        box = {"class": row["category_id"], "box": corners(row["bbox"]), "score": row["score"]}
        grouped[row["image_id"]][1].append(box)
    return dict(sorted(grouped.items()))


def share(images: dict, low: float, high: float) -> float:
    entries = []
    for truths, _ in images.values():
        entries += [truth["motion"] for truth in truths] or [0.0]
    return sum(low <= entry <= high for entry in entries) / len(entries)


def plain_ap(content: dict, outcomes: list[tuple], counts: dict[int, int]) -> dict:
    """All-point AP of (class, score, true positive, weight of a false positive)."""
    result = {}
    for category in content["categories"]:
        mine = sorted((o for o in outcomes if o[0] == category["id"]), key=lambda o: -o[1])
        if not counts[category["id"]]:
            result[category["id"]] = None
            continue
        tp = np.cumsum([o[2] for o in mine])
        fp = np.cumsum([o[3] for o in mine])
        recall = np.concatenate([[0], tp / counts[category["id"]], [1]])
        precision = np.concatenate([[0], tp / np.maximum(tp + fp, np.finfo(float).eps), [0]])
        for i in range(len(precision) - 2, -1, -1):
            precision[i] = max(precision[i], precision[i + 1])
        result[category["id"]] = float(np.sum(np.diff(recall) * precision[1:]))
    return result


def plain_ilsvrc(content: dict, results: list[dict], low: float, high: float) -> dict:
    images = by_image(content, results)
    of_range, outcomes, counts = share(images, low, high), [], defaultdict(int)
    for truths, found in images.values():
        kept = [low <= truth["motion"] <= high for truth in truths]
        for truth, keep in zip(truths, kept, strict=True):
            counts[truth["class"]] += keep
        taken = set()
        for det in sorted(found, key=lambda d: -d["score"]):
            best, chosen = -1.0, None
            overlaps = [iou(det["box"], truth["box"], 1) for truth in truths]
            for i, truth in enumerate(truths):
                width = truth["box"][2] - truth["box"][0] + 1
                height = truth["box"][3] - truth["box"][1] + 1
                threshold = min(0.5, width * height / ((width + 10) * (height + 10)))
                mine = truth["class"] == det["class"] and i not in taken
                if mine and overlaps[i] >= threshold and overlaps[i] > best:
                    best, chosen = overlaps[i], i
            if chosen is not None:
                taken.add(chosen)
                outcomes.append((det["class"], det["score"], int(kept[chosen]), 0.0))
                continue
            a = max((o for o, keep in zip(overlaps, kept, strict=True) if not keep), default=-1)
            b = max((o for o, keep in zip(overlaps, kept, strict=True) if keep), default=-1)
            tie = kept.count(False) / len(truths) if truths else of_range
            weight = 1.0 if b > a else 0.0 if a > b else tie
            outcomes.append((det["class"], det["score"], 0, weight))
    return plain_ap(content, outcomes, counts)


def plain_mega(content: dict, results: list[dict], low: float, high: float) -> dict:
    images = by_image(content, results)
    of_range, outcomes, counts = share(images, low, high), [], defaultdict(int)
    of_range = 0 if of_range == 1 else of_range
    for all_truths, found in images.values():
        for truth in all_truths:
            counts[truth["class"]] += low <= truth["motion"] <= high
        taken = set()
        for det in sorted(found, key=lambda d: -d["score"]):
            truths = [truth for truth in all_truths if truth["class"] == det["class"]]
            kept = [low <= truth["motion"] <= high for truth in truths]
            overlaps = [iou(det["box"], truth["clipped"], 2) for truth in truths]
            chosen = None
            for i, overlap in enumerate(overlaps):
                if id(truths[i]) in taken or overlap < 0.5:
                    continue
                better = chosen is None or overlap > overlaps[chosen]
                if better or (overlap == overlaps[chosen] and not kept[chosen]):
                    chosen = i
            if chosen is not None:
                taken.add(id(truths[chosen]))
                outcomes.append((det["class"], det["score"], int(kept[chosen]), 0.0))
                continue
            a = max((o for o, keep in zip(overlaps, kept, strict=True) if not keep), default=-1)
            b = max((o for o, keep in zip(overlaps, kept, strict=True) if keep), default=-1)
            tie = (kept.count(False) / len(truths) if truths else of_range) or 1.0
            weight = 1.0 if b > a else 0.0 if a > b else tie
            outcomes.append((det["class"], det["score"], 0, weight))
    return plain_ap(content, outcomes, counts)


def pycocotools_precision(content: dict, results: list[dict]) -> np.ndarray:
    """(10 IoUs, 101 recalls, classes, 4 areas) by pycocotools; -1 without ground truth."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(content)
        coco.createIndex()
        found = coco.loadRes(copy.deepcopy(results)) if results else COCO()
        evaluation = COCOeval(coco, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., -1]
