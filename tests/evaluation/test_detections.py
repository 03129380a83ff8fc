import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.evaluation.detections import Detections
from boxmask_vid.evaluation.ground_truth import GroundTruth
from support.random_vid import random_vid

GOOD = {"category_id": 5, "bbox": [1, 2, 3.5, 4], "score": 0.5}


@pytest.fixture
def truth() -> GroundTruth:
    return GroundTruth.from_coco(random_vid(1)[0])


def test_order_is_class_score_image_and_then_as_given(truth):
    first, second = truth.image_ids[:2].tolist()
    given = [
        {**GOOD, "image_id": second, "bbox": [1, 1, 1, 1]},
        {**GOOD, "image_id": first, "bbox": [2, 2, 2, 2]},
        {**GOOD, "image_id": second, "bbox": [3, 3, 3, 3]},
        {**GOOD, "image_id": second, "bbox": [4, 4, 4, 4], "score": 0.75},
        {**GOOD, "image_id": second, "bbox": [5, 5, 5, 5], "score": 0.1, "category_id": 2},
    ]
    detections = Detections.from_coco(given, truth)
    assert detections.boxes[:, 0].tolist() == [5, 4, 2, 1, 3]
    assert detections.classes.tolist() == [0, 1, 1, 1, 1]
    assert detections.images.tolist() == [1, 1, 0, 1, 1]
    assert detections.class_slice(1) == slice(1, 5)
    assert detections.class_slice(2) == slice(5, 5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_id": 5000}, "detection 1 has image_id 5000, which is not in the ground truth"),
        ({"image_id": "a"}, "detection 1 has image_id 'a': it must be a whole number"),
        ({"image_id": 1.5}, "detection 1 has image_id 1.5: it must be a whole number"),
        ({"image_id": 10**30}, "it must be a whole number"),
        ({"category_id": 3}, "detection 1 has category_id 3, which is not in the ground truth"),
        ({"category_id": None}, "detection 1 has category_id None: it must be a whole number"),
        ({"score": float("nan")}, "detection 1 has score nan, which must be a finite number"),
        ({"score": "high"}, "detection 1 has score 'high': it must be a number"),
        ({"bbox": [1, 2, 3]}, "detection 1 has bbox [1, 2, 3]: it must be a list of four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "it must be a list of four numbers"),
        ({"bbox": [1, 2, float("inf"), 4]}, "which must be four finite numbers"),
        ({"bbox": [1, 2, -3, 4]}, "which must have a width and a height of 0 or more"),
        ({"bbox": None}, "detection 1 has bbox None"),
    ],
)
def test_invalid_values_are_named(truth, changes, sentence):
    good = {**GOOD, "image_id": int(truth.image_ids[0])}
    with pytest.raises(InputError, match=r"own\.json") as error:
        Detections.from_coco([good, {**good, **changes}], truth, "own.json")
    assert sentence in str(error.value)


@pytest.mark.parametrize("field", ["image_id", "category_id", "bbox", "score"])
def test_a_missing_field_is_named(truth, field):
    bad = {**GOOD, "image_id": int(truth.image_ids[0])}
    del bad[field]
    with pytest.raises(InputError, match=f"detection 0 has no '{field}': add it"):
        Detections.from_coco([bad], truth)


def test_a_record_of_another_type_is_shown(truth):
    with pytest.raises(InputError, match="detection 0 is 7, not a COCO result"):
        Detections.from_coco([7], truth)


def test_a_part_of_the_ground_truth_has_its_images_and_boxes(truth):
    kept_images = truth.image_ids[1::2]
    part, kept = truth.of_images(kept_images[::-1])
    np.testing.assert_array_equal(part.image_ids, kept_images)
    np.testing.assert_array_equal(part.image_ids[part.images], truth.image_ids[truth.images[kept]])
    np.testing.assert_array_equal(part.boxes, truth.boxes[kept])
    np.testing.assert_array_equal(part.frames, truth.frames[kept])
    with pytest.raises(InputError, match="image_id 5000 is not in the ground truth"):
        truth.of_images(np.array([5000]))
