import numpy as np
import pytest

from boxmask_vid.apps.linking import (
    LinkClassifier,
    learn_links,
    seq_nms,
    with_seq_nms,
    with_tubelets,
)
from boxmask_vid.errors import InputError
from boxmask_vid.evaluation import Detections, GroundTruth
from support.random_vid import random_vid


def rows_of(truth, detections):
    """Sorted rows (image id, category id, score, x, y, w, h)."""
    image_ids, category_ids, boxes, scores = detections.columns(truth)
    return sorted(np.column_stack([image_ids, category_ids, scores, boxes]).round(9).tolist())


@pytest.mark.parametrize("link", [with_seq_nms, with_tubelets])
def test_videos_are_linked_independently(link):
    content, results = random_vid(3, videos=4, per_frame=12)
    truth = GroundTruth.from_coco(content)
    together = rows_of(truth, link(truth, Detections.from_coco(results, truth)))
    apart = []
    for video in content["videos"]:
        images = {i["id"] for i in content["images"] if i["video_id"] == video["id"]}
        part = [result for result in results if result["image_id"] in images]
        apart += rows_of(truth, link(truth, Detections.from_coco(part, truth)))
    assert together == sorted(apart)
    assert together != rows_of(truth, Detections.from_coco(results, truth))


def test_frames_are_those_of_the_ground_truth_whatever_the_image_ids():
    content, results = random_vid(5, videos=1, per_frame=12)
    truth = GroundTruth.from_coco(content)
    frame_of = {image["id"]: image["frame_id"] for image in content["images"]}
    detections = Detections.from_coco(results, truth)
    frames = np.array([frame_of[image] for image in truth.image_ids[detections.images]])
    kept, scores = seq_nms(frames, detections.boxes, detections.scores, detections.classes)
    expected = [
        [truth.image_ids[detections.images[row]], truth.category_ids[detections.classes[row]]]
        + [score, *detections.boxes[row]]
        for row, score in zip(kept, scores.round(9), strict=True)
    ]
    assert rows_of(truth, with_seq_nms(truth, detections)) == sorted(map(list, expected))


@pytest.mark.parametrize("link", [with_seq_nms, with_tubelets])
def test_nothing_to_link(link):
    truth = GroundTruth.from_coco(random_vid(0)[0])
    assert len(link(truth, Detections.from_coco([], truth))) == 0


def test_negative_scores_cannot_be_added_up():
    truth = GroundTruth.from_coco(random_vid(0)[0])
    row = {"image_id": int(truth.image_ids[0]), "category_id": 2, "bbox": [0, 0, 9, 9], "score": -1}
    with pytest.raises(InputError, match=r"score -1\.0"):
        with_seq_nms(truth, Detections.from_coco([row], truth))


def test_links_are_learned_from_tracks():
    learned = learn_links(GroundTruth.from_coco(random_vid(1, videos=10)[0]))
    assert learned != LinkClassifier()
    content = random_vid(1)[0]
    for annotation in content["annotations"]:
        del annotation["instance_id"]
    with pytest.raises(InputError, match="0 of 0 pairs"):
        learn_links(GroundTruth.from_coco(content))
