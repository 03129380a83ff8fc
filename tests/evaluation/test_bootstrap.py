import numpy as np
import pytest

from boxmask_vid.evaluation import Detections, GroundTruth, Metric, motion_iou, score
from boxmask_vid.evaluation.average_precision import (
    all_points,
    at_101_recalls,
    average_precisions,
    mean_over_classes,
)
from boxmask_vid.evaluation.bootstrap import (
    all_points_of_draws,
    at_101_recalls_of_draws,
    bootstrap_average_precision,
    draw_videos,
    interval,
)
from boxmask_vid.evaluation.coco import CocoMatching
from boxmask_vid.evaluation.scores import compare
from boxmask_vid.evaluation.tables import comparison_table
from support.random_vid import random_vid


def data(seed: int, videos: int = 4) -> tuple[dict, list[dict]]:
    """Random data with a different score for each detection."""
    content, results = random_vid(seed, videos=videos)
    scores = np.random.default_rng(seed).permutation(len(results)) + 1
    for result, value in zip(results, scores.tolist(), strict=True):
        result["score"] = value / 1000
    return content, results


def repeated(content: dict, results: list[dict], times: np.ndarray) -> tuple[dict, list[dict]]:
    """The data set with each video repeated as in a draw."""
    drawn = {**content, "videos": [], "images": [], "annotations": []}
    found = []
    for video, number in zip(content["videos"], times.astype(int).tolist(), strict=True):
        for copy in range(number):
            video_id = video["id"] + 100 * copy
            drawn["videos"].append({**video, "id": video_id})
            ids = {image["id"]: image["id"] + 10_000 * copy for image in content["images"]}
            mine = [image for image in content["images"] if image["video_id"] == video["id"]]
            names = {image["id"] for image in mine}
            drawn["images"] += [
                {**image, "id": ids[image["id"]], "video_id": video_id} for image in mine
            ]
            for source, target in (
                (content["annotations"], drawn["annotations"]),
                (results, found),
            ):
                target += [
                    {**row, "image_id": ids[row["image_id"]]}
                    for row in source
                    if row["image_id"] in names
                ]
    return drawn, found


@pytest.mark.parametrize("seed", [0, 2, 4])
@pytest.mark.parametrize(
    ("integral", "of_draws"),
    [(all_points, all_points_of_draws), (at_101_recalls, at_101_recalls_of_draws)],
)
def test_a_draw_is_the_score_of_the_data_set_with_its_videos(seed, integral, of_draws):
    content, results = data(seed)
    truth = GroundTruth.from_coco(content)
    detections = Detections.from_coco(results, truth)
    matches = next(CocoMatching(truth, detections).motion(motion_iou(truth), "all"))
    times = draw_videos(truth, 12, seed)
    assert (times.sum(axis=1) == len(content["videos"])).all()
    values = bootstrap_average_precision(matches, detections, truth, times, of_draws)
    for row, value in zip(times, values, strict=True):
        drawn = repeated(content, results, row)
        drawn_truth = GroundTruth.from_coco(drawn[0])
        found = Detections.from_coco(drawn[1], drawn_truth)
        motion = motion_iou(drawn_truth)
        again = next(CocoMatching(drawn_truth, found).motion(motion, "all"))
        wanted = mean_over_classes(average_precisions(again, found, drawn_truth, integral))
        assert value == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_bins_change_little(monkeypatch):
    content, results = data(2, videos=12)
    truth = GroundTruth.from_coco(content)
    detections = Detections.from_coco(results, truth)
    exact = score(truth, detections, scorers=["ilsvrc"], draws=50)
    monkeypatch.setattr("boxmask_vid.evaluation.bootstrap.BINS", 20)
    binned = score(truth, detections, scorers=["ilsvrc"], draws=50)
    metric = Metric("ilsvrc", "all", "AP50")
    assert not np.array_equal(binned.draws[metric], exact.draws[metric])
    np.testing.assert_allclose(binned.draws[metric], exact.draws[metric], atol=0.03)


def test_the_interval_is_of_the_middle_95_percent():
    assert interval(np.append(np.arange(1001.0), np.nan)) == (25, 975)
    assert np.isnan(interval(np.array([np.nan]))).all()


def test_detections_do_not_differ_from_themselves_and_do_from_much_better_ones():
    content, results = data(6, videos=12)
    truth = GroundTruth.from_coco(content)
    perfect = [{**annotation, "score": 0.5} for annotation in content["annotations"]]
    of_results, of_perfect = (
        score(truth, Detections.from_coco(found, truth), draws=200) for found in (results, perfect)
    )
    same = compare(of_results, of_results)
    assert not any(comparison.is_clear for comparison in same)
    defined = [comparison for comparison in same if not np.isnan(comparison.first)]
    assert defined
    assert all(comparison.low == comparison.high == 0 for comparison in defined)
    better = {comparison.metric: comparison for comparison in compare(of_results, of_perfect)}
    headline = better[Metric("coco", "all", "AP50")]
    assert headline.is_clear
    assert 0 < headline.low <= headline.high
    assert headline.second == pytest.approx(1)
    assert all("yes" in line for line in comparison_table([headline]).splitlines()[2:])


def test_no_draws_no_intervals():
    content, results = data(6)
    truth = GroundTruth.from_coco(content)
    scores = score(truth, Detections.from_coco(results, truth), draws=0)
    assert not scores.draws
    assert np.isnan(scores.interval(Metric("coco", "all", "AP50"))).all()
