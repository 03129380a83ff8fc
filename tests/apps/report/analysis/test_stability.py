from itertools import pairwise

import numpy as np
import pytest

from boxmask_vid.apps.report.analysis.errors import find_errors
from boxmask_vid.apps.report.analysis.stability import track_stability
from boxmask_vid.evaluation.detections import Detections
from boxmask_vid.evaluation.ground_truth import GroundTruth
from support.random_vid import random_vid
from support.small_videos import found, truth_of

BOX = [100, 100, 100, 50]


def stability(truth, detections):
    return track_stability(truth, detections, find_errors(truth, detections).matches)


def test_by_hand():
    truth = truth_of([(image, 1, 7, BOX) for image in (1, 2, 3, 4, 5)], frames=5)
    detections = found(
        truth,
        (1, 1, 0.9, BOX),
        (2, 1, 0.9, [110, 100, 100, 50]),  # a tenth of the width to the right
        (4, 1, 0.9, BOX),
        (5, 1, 0.9, [100, 100, 100, 40]),  # 0.8 of the height, centre a tenth of it higher
    )
    result = stability(truth, detections)
    assert result.tracks.tolist() == [7]
    assert result.found[0].tolist() == [True, True, False, True, True]
    assert result.fragment == pytest.approx([2 / 4])
    across, up = np.std([0, 0.1, 0, 0]), np.std([0, 0, 0, -0.1])
    assert result.centre == pytest.approx([across + up])
    size, aspect = np.std([1, 1, 1, np.sqrt(0.8)]), np.std([1, 1, 1, 1 / 0.8])
    assert result.scale == pytest.approx([size + aspect])


def test_tracks_too_short_to_flicker_or_jitter():
    boxes = [(1, 1, 1, BOX), (1, 2, 2, [0, 0, 50, 50]), (2, 2, 2, [0, 0, 50, 50])]
    truth = truth_of([*boxes, (1, 1, -1, [300, 300, 50, 50])], frames=2)
    result = stability(truth, found(truth, (1, 1, 0.9, BOX), (2, 2, 0.9, [0, 0, 50, 50])))
    assert result.tracks.tolist() == [1, 2]  # a box without a track cannot be followed
    assert result.classes.tolist() == [0, 1]
    assert result.fragment == pytest.approx([np.nan, 1.0], nan_ok=True)
    assert np.isnan([*result.centre, *result.scale]).all()


def test_no_tracks():
    truth = truth_of([(1, 1, -1, BOX)])
    assert len(stability(truth, found(truth))) == 0
    empty = truth_of([])
    assert len(stability(empty, found(empty))) == 0


@pytest.mark.parametrize("seed", range(6))
def test_fragments_agree_with_plain_loops(seed):
    content, results = random_vid(seed)
    truth = GroundTruth.from_coco(content)
    detections = Detections.from_coco(results, truth)
    matches = find_errors(truth, detections).matches
    result = track_stability(truth, detections, matches)
    found_ids = {int(truth.ids[box]) for box in matches.taken if box >= 0}
    frames = {image["id"]: (image["video_id"], image["frame_id"]) for image in content["images"]}
    tracks = {}
    for annotation in sorted(content["annotations"], key=lambda a: frames[a["image_id"]]):
        key = frames[annotation["image_id"]][0], annotation["instance_id"]
        tracks.setdefault(key, []).append(annotation["id"] in found_ids)
    expected = {
        key: sum(a != b for a, b in pairwise(states)) / (len(states) - 1)
        if len(states) > 1
        else np.nan
        for key, states in tracks.items()
    }
    keys = zip(truth.video_ids[result.videos].tolist(), result.tracks.tolist(), strict=True)
    found_errors = dict(zip(keys, result.fragment.tolist(), strict=True))
    assert found_errors == pytest.approx(expected, nan_ok=True)
