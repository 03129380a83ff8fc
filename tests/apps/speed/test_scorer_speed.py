import dataclasses

import numpy as np

from boxmask_vid.apps.speed.scorer_speed import (
    coco_vid,
    random_ground_truth,
    run_scorers,
    write_random_data,
)
from boxmask_vid.evaluation import GroundTruth
from boxmask_vid.evaluation.motion import MOTION_RANGES, in_range, motion_iou


def test_random_ground_truth_is_valid_and_has_all_kinds_of_motion():
    truth = random_ground_truth(videos=20, frames=900, boxes=1300)
    assert (len(truth.image_ids), len(truth), len(truth.video_ids)) == (900, 1300, 20)
    read = GroundTruth.from_coco(coco_vid(truth))
    for field in dataclasses.fields(GroundTruth):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(truth, field.name))
    motion = motion_iou(truth)
    assert all(in_range(motion, limits).mean() > 0.1 for limits in MOTION_RANGES.values())


def test_every_scorer_is_timed(tmp_path):
    write_random_data(tmp_path, videos=3, frames=40, boxes=60, per_frame=6)
    seconds = run_scorers(tmp_path, 3)
    assert set(seconds) == {"reading", "coco", "ilsvrc", "mega"}
    assert all(value > 0 for value in seconds.values())
