import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from boxmask_vid.apps.report.analysis.delta_ap import delta_ap
from boxmask_vid.apps.report.analysis.errors import KINDS, find_errors
from boxmask_vid.evaluation.detections import Detections
from boxmask_vid.evaluation.ground_truth import GroundTruth
from support.random_vid import random_vid
from support.small_videos import found, truth_of

BOX = [100, 100, 100, 100]
FAR = [300, 300, 50, 50]
SHIFTED = {0.1: [110, 100, 100, 100], 0.5: [150, 100, 100, 100]}  # IoU 0.82 and 0.33


def kinds_of(truth, detections):
    """Names by score of the detection."""
    errors = find_errors(truth, detections)
    names = {
        float(score): KINDS[kind] if kind >= 0 else "none"
        for score, kind in zip(detections.scores, errors.kinds, strict=True)
    }
    return names, errors


def test_each_kind_by_hand():
    truth = truth_of([(1, 1, 1, BOX), (2, 1, 1, BOX), (3, 2, 2, BOX)], frames=4)
    detections = found(
        truth,
        (1, 1, 0.9, SHIFTED[0.1]),
        (1, 1, 0.8, BOX),
        (1, 1, 0.75, FAR),
        (2, 1, 0.7, SHIFTED[0.5]),
        (2, 2, 0.65, SHIFTED[0.5]),
        (3, 1, 0.6, BOX),
        (4, 1, 0.5, BOX),
    )
    names, errors = kinds_of(truth, detections)
    assert names == {
        0.9: "none",
        0.8: "duplicate",
        0.75: "background",
        0.7: "localisation",
        0.65: "both",
        0.6: "classification",
        0.5: "background",
    }
    about = dict(zip(detections.scores.tolist(), errors.boxes.tolist(), strict=True))
    assert about == {0.9: 0, 0.8: 0, 0.75: -1, 0.7: 1, 0.65: 1, 0.6: 2, 0.5: -1}
    assert not errors.missed.any()  # an error of location or class is about each


def test_missed_boxes_have_no_error_about_them():
    truth = truth_of([(1, 1, 1, BOX), (1, 1, 2, FAR), (1, 2, 3, [0, 0, 50, 50])])
    detections = found(truth, (1, 1, 0.9, BOX), (1, 1, 0.8, [0, 30, 50, 50]))
    names, errors = kinds_of(truth, detections)
    assert names[0.8] == "both"  # IoU 0.25 with a box of another class
    assert errors.missed.tolist() == [False, True, True]


def test_detections_in_crowds_are_not_errors():
    truth = truth_of([(1, 1, 1, BOX)], iscrowd=1)
    names, errors = kinds_of(truth, found(truth, (1, 1, 0.9, [120, 120, 20, 20])))
    assert names == {0.9: "none"}
    assert not errors.missed.any()
    assert np.isnan(delta_ap(truth, found(truth), find_errors(truth, found(truth))).ap50)


def test_nothing_found_and_nothing_to_find():
    truth = truth_of([(1, 1, 1, BOX)])
    nothing = found(truth)
    errors = find_errors(truth, nothing)
    assert errors.missed.tolist() == [True]
    result = delta_ap(truth, nothing, errors)
    assert result.ap50 == 0
    assert np.isnan(result.gains[KINDS.index("missed")])  # no box is left to be found
    empty = truth_of([])
    wrong = found(empty, (1, 1, 0.5, BOX))
    errors = find_errors(empty, wrong)
    assert [KINDS[kind] for kind in errors.kinds] == ["background"]
    assert np.isnan(delta_ap(empty, wrong, errors).ap50)


def test_gains_by_hand():
    """Of two boxes one is found, after a detection of the background."""
    truth = truth_of([(1, 1, 1, BOX), (2, 1, 1, BOX)], frames=2, classes=1)
    detections = found(truth, (1, 1, 0.9, FAR), (1, 1, 0.8, BOX), (2, 1, 0.7, SHIFTED[0.5]))
    ap50, gains = delta_ap(truth, detections, find_errors(truth, detections))
    half = 51 / 101  # recalls up to 0.5
    assert ap50 == pytest.approx(half / 2)
    gains = dict(zip(KINDS, gains, strict=True))
    assert gains.pop("background") == pytest.approx(half - half / 2)
    assert gains.pop("localisation") == pytest.approx(2 / 3 - half / 2)
    assert set(gains.values()) == {0.0}


def test_a_group_has_its_own_errors_and_the_background():
    truth = truth_of([(1, 1, 1, BOX), (2, 1, 1, BOX)], frames=2, classes=1)
    rows = (1, 1, 0.95, FAR), (1, 1, 0.9, BOX), (2, 1, 0.8, SHIFTED[0.5])
    detections = found(truth, *rows)
    errors = find_errors(truth, detections)
    first, second = (
        delta_ap(truth, detections, errors, np.array(group, dtype=bool))
        for group in ((1, 0), (0, 1))
    )
    assert first.ap50 == pytest.approx(0.5)
    assert second.ap50 == 0
    at = KINDS.index
    assert first.gains[at("background")] == pytest.approx(0.5)
    assert first.gains[at("localisation")] == 0
    assert second.gains[at("localisation")] == pytest.approx(0.5)


def fixed(content, results, kind):
    """The files after the errors of a kind are corrected, box by box."""
    content, results = copy.deepcopy(content), copy.deepcopy(results)
    truth = GroundTruth.from_coco(content)
    by_score = {result["score"]: result for result in results}
    detections = Detections.from_coco(results, truth)
    errors = find_errors(truth, detections)
    by_id = {annotation["id"]: annotation for annotation in content["annotations"]}
    annotation = [by_id[number] for number in truth.ids.tolist()]
    if kind == "missed":
        lost = {truth.ids[box] for box in np.flatnonzero(errors.missed)}
        content["annotations"] = [a for a in content["annotations"] if a["id"] not in lost]
        return content, results
    taken = set(errors.matches.taken.tolist())
    gone = []
    for row in np.argsort(-detections.scores):
        if errors.kinds[row] != KINDS.index(kind):
            continue
        box, result = int(errors.boxes[row]), by_score[float(detections.scores[row])]
        if kind in ("classification", "localisation") and box not in taken:
            taken.add(box)
            result["bbox"] = annotation[box]["bbox"]
            result["category_id"] = annotation[box]["category_id"]
        else:
            gone.append(result)
    return content, [result for result in results if not any(result is other for other in gone)]


def pycocotools_ap50(content, results):
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, -1]
    return precision[precision > -1].mean()


@pytest.mark.parametrize("seed", range(12))
def test_gains_are_those_of_fixed_files_with_pycocotools(seed):
    content, results = random_vid(seed, per_frame=12)
    for number, result in enumerate(results):
        result["score"] += number * 1e-6  # no ties
    truth = GroundTruth.from_coco(content)
    detections = Detections.from_coco(results, truth)
    ap50, gains = delta_ap(truth, detections, find_errors(truth, detections))
    assert ap50 == pytest.approx(pycocotools_ap50(content, results), abs=1e-9)
    for kind, gain in zip(KINDS, gains, strict=True):
        expected = pycocotools_ap50(*fixed(content, results, kind)) - ap50
        assert gain == pytest.approx(expected, abs=1e-9), kind
    assert sum(gain > 0 for gain in gains) >= 3
