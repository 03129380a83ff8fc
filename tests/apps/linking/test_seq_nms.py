import numpy as np
import pytest

from boxmask_vid.apps.linking import seq_nms

NONE = np.zeros(0)


def iou(one, other):
    """IoU of two boxes x, y, w, h."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def every_path(left, start, frames, boxes):
    """All paths of linked boxes that begin at ``start``."""
    ways = [
        box
        for box in left
        if frames[box] == frames[start] + 1 and iou(boxes[start], boxes[box]) > 0.5
    ]
    return [[start]] + [
        [start, *rest] for way in ways for rest in every_path(left, way, frames, boxes)
    ]


def plain_seq_nms(frames, boxes, scores, classes, score_of):
    """Seq-NMS by exhaustive search."""
    rescored = {}
    for label in set(classes.tolist()):
        left = set(np.flatnonzero(classes == label).tolist())
        while left:
            paths = [path for start in left for path in every_path(left, start, frames, boxes)]
            path = max(paths, key=lambda path: sum(scores[box] for box in path))
            for box in path:
                rescored[box] = score_of(scores[path])
                left -= {
                    other
                    for other in left
                    if frames[other] == frames[box]
                    and (other == box or iou(boxes[box], boxes[other]) > 0.3)
                }
    kept = sorted(rescored)
    return np.array(kept), np.array([rescored[box] for box in kept])


def crowd(seed, *, frames=5, count=4, classes=2, size=25.0):
    """Random boxes that overlap often."""
    random = np.random.default_rng(seed)
    total = frames * count
    boxes = np.column_stack(
        [random.uniform(0, size, (total, 2)), random.uniform(30, 60, (total, 2))]
    )
    numbers = random.permutation(np.repeat(np.arange(frames), count))
    return numbers, boxes, random.uniform(0, 1, total), random.integers(0, classes, total)


@pytest.mark.parametrize(("rescoring", "score_of"), [("average", np.mean), ("max", np.max)])
def test_agrees_with_exhaustive_search(rescoring, score_of):
    longest = 0
    for seed in range(40):
        video = crowd(seed)
        kept, scores = seq_nms(*video, rescoring=rescoring)
        expected, expected_scores = plain_seq_nms(*video, score_of)
        assert np.array_equal(kept, expected)
        assert np.allclose(scores, expected_scores, rtol=0, atol=1e-12)
        longest = max(longest, np.unique(scores, return_counts=True)[1].max())
    assert longest >= 4


def test_by_hand():
    """A still object is found weakly in one frame, where a shifted box beats it."""
    frames = np.array([0, 1, 1, 2])
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [4, 0, 10, 10], [0, 0, 10, 10.0]])
    scores = np.array([0.9, 0.3, 0.5, 0.6])
    # the shifted box has an IoU of 60 / 140 with the others: not linked, but suppressed
    kept, rescored = seq_nms(frames, boxes, scores, np.zeros(4, dtype=int))
    assert kept.tolist() == [0, 1, 3]
    assert rescored == pytest.approx([0.6, 0.6, 0.6])
    kept, rescored = seq_nms(frames, boxes, scores, np.zeros(4, dtype=int), rescoring="max")
    assert rescored == pytest.approx([0.9, 0.9, 0.9])
    kept, _ = seq_nms(frames, boxes, scores, np.zeros(4, dtype=int), suppression_iou=0.45)
    assert kept.tolist() == [0, 1, 2, 3]


def test_classes_are_apart():
    frames, boxes = np.array([0, 0, 1]), np.tile([5.0, 5, 20, 20], (3, 1))
    kept, rescored = seq_nms(frames, boxes, np.array([0.8, 0.2, 0.4]), np.array([3, 1, 3]))
    assert kept.tolist() == [0, 1, 2]
    assert rescored == pytest.approx([0.6, 0.2, 0.6])


def test_an_empty_frame_ends_a_sequence():
    boxes = np.tile([5.0, 5, 20, 20], (3, 1))
    zeros = np.zeros(3, dtype=int)
    kept, rescored = seq_nms(np.array([0, 1, 3]), boxes, np.array([0.8, 0.2, 0.4]), zeros)
    assert kept.tolist() == [0, 1, 2]
    assert rescored == pytest.approx([0.5, 0.5, 0.4])


def test_one_frame_is_plain_nms():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [40, 0, 10, 10.0]])
    zeros = np.zeros(3, dtype=int)
    kept, rescored = seq_nms(zeros + 7, boxes, np.array([0.5, 0.6, 0.1]), zeros)
    assert kept.tolist() == [1, 2]
    assert rescored.tolist() == [0.6, 0.1]


def test_no_detections():
    kept, rescored = seq_nms(NONE.astype(int), np.zeros((0, 4)), NONE, NONE.astype(int))
    assert len(kept) == len(rescored) == 0


def test_ties_go_to_the_earlier_frame_and_the_first_box():
    boxes = np.tile([0.0, 0, 10, 10], (3, 1))
    zeros = np.zeros(3, dtype=int)
    same = np.full(3, 0.5)
    assert seq_nms(zeros, boxes, same, zeros)[0].tolist() == [0]
    # two boxes to go to from the first frame: the first one wins, the other is suppressed
    assert seq_nms(np.array([1, 1, 0]), boxes, same, zeros)[0].tolist() == [0, 2]
    # scores of 0 are linked like others
    kept, rescored = seq_nms(np.array([0, 1, 2]), boxes, np.array([0, 0.3, 0]), zeros)
    assert kept.tolist() == [0, 1, 2]
    assert rescored == pytest.approx([0.1, 0.1, 0.1])
