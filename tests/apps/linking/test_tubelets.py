import numpy as np
import pytest

from boxmask_vid.apps.linking import LinkClassifier, link_tubelets

CLASSIFIER = LinkClassifier()


def video(*rows):
    """Columns of detections given as (frame, box, score, class)."""
    frames, boxes, scores, classes = zip(*rows, strict=True)
    return np.array(frames), np.array(boxes, dtype=float), np.array(scores), np.array(classes)


def linked(*rows, **options):
    """The same rows after linking, boxes rounded."""
    options = {"smoothing": 0, **options}
    columns = link_tubelets(*video(*rows), **options)
    return [
        (int(frame), box.round(6).tolist(), pytest.approx(score), int(label))
        for frame, box, score, label in zip(*columns, strict=True)
    ]


STILL = [10.0, 10, 20, 20]
FAR = [200.0, 10, 20, 20]


def test_a_weak_frame_is_lifted_and_a_lone_box_is_left_alone():
    found = linked((0, STILL, 0.9, 2), (1, STILL, 0.3, 2), (1, FAR, 0.4, 2), (2, STILL, 0.6, 2))
    assert found == [
        (0, STILL, 0.6, 2),
        (1, STILL, 0.6, 2),
        (1, FAR, 0.4, 2),
        (2, STILL, 0.6, 2),
    ]


def test_a_class_mistaken_in_one_frame_is_corrected():
    found = linked((0, STILL, 0.8, 5), (1, STILL, 0.6, 3), (2, STILL, 0.7, 5))
    assert found == [
        (frame, STILL, score, label) for frame in range(3) for score, label in ((0.5, 5), (0.2, 3))
    ]


def test_boxes_of_two_classes_on_one_spot_are_one_object_and_keep_their_boxes():
    beside = [11.0, 10, 20, 20]
    found = linked((0, STILL, 0.8, 0), (0, beside, 0.4, 1), (1, STILL, 0.6, 0))
    assert found == [
        (0, STILL, 0.7, 0),
        (0, beside, 0.2, 1),
        (1, STILL, 0.7, 0),
        (1, STILL, 0.2, 1),
    ]


def test_two_boxes_of_one_class_are_never_one_object():
    found = linked((0, STILL, 0.8, 0), (0, STILL, 0.4, 0))
    assert found == [(0, STILL, 0.8, 0), (0, STILL, 0.4, 0)]


def test_an_empty_frame_ends_a_tubelet():
    found = linked((0, STILL, 0.8, 0), (2, STILL, 0.4, 0))
    assert found == [(0, STILL, 0.8, 0), (2, STILL, 0.4, 0)]


def test_the_most_probable_pair_is_linked_first():
    near, nearer = [13.0, 10, 20, 20], [11.0, 10, 20, 20]
    found = linked((0, STILL, 0.8, 0), (1, near, 0.5, 0), (1, nearer, 0.4, 0))
    assert found == [(0, STILL, 0.6, 0), (1, nearer, 0.6, 0), (1, near, 0.5, 0)]


def test_ties_go_to_the_first():
    found = linked((0, STILL, 0.8, 0), (1, STILL, 0.6, 0), (1, STILL, 0.2, 0))
    assert found == [(0, STILL, 0.7, 0), (1, STILL, 0.7, 0), (1, STILL, 0.2, 0)]


def test_boxes_are_smoothed_along_the_tubelet():
    boxes = [[10.0, 10, 20, 20], [14.0, 10, 20, 20], [12.0, 10, 20, 20]]
    found = link_tubelets(*video(*((i, box, 0.5, 0) for i, box in enumerate(boxes))), smoothing=0.6)
    one, two = np.exp(-0.5 / 0.36), np.exp(-2 / 0.36)  # weights of neighbours and next neighbours
    expected = [
        (10 + 14 * one + 12 * two) / (1 + one + two),
        (10 * one + 14 + 12 * one) / (1 + 2 * one),
        (10 * two + 14 * one + 12) / (1 + one + two),
    ]
    assert found[1][:, 0] == pytest.approx(expected)
    assert found[1][:, 1:] == pytest.approx(np.tile([10, 20, 20], (3, 1)))


def test_weak_detections_are_kept_but_weak_classes_are_not_spread():
    found = linked((0, STILL, 0.8, 0), (0, STILL, 1e-5, 1), (1, STILL, 0.6, 0))
    assert found == [(0, STILL, 0.7, 0), (0, STILL, 5e-6, 1), (1, STILL, 0.7, 0)]


def test_no_detections():
    none = np.zeros(0)
    columns = link_tubelets(none.astype(int), np.zeros((0, 4)), none, none.astype(int))
    assert [len(column) for column in columns] == [0, 0, 0, 0]


def plain_objects(rows):
    """Per frame a list of {class: (score, box)}, best class first."""
    frames = {}
    for frame, box, score, label in sorted(rows, key=lambda row: -row[2]):
        objects = frames.setdefault(frame, [])
        for found in objects:
            top = next(iter(found.values()))[1]
            if overlap(top, box) >= 0.7 and label not in found:
                found[label] = (score, box)
                break
        else:
            objects.append({label: (score, box)})
    return frames


def overlap(one, other):
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def plain_probability(one, other, labels):
    box, next_box = (next(iter(item.values()))[1] for item in (one, other))
    size = (np.sqrt(box[2] * box[3]) + np.sqrt(next_box[2] * next_box[3])) / 2
    distance = np.hypot(
        *(next_box[i] + next_box[i + 2] / 2 - box[i] - box[i + 2] / 2 for i in (0, 1))
    )
    ratio = sum(abs(np.log(box[i] / next_box[i])) for i in (2, 3))
    left, right = (np.array([item.get(i, (0,))[0] for i in labels]) for item in (one, other))
    cosine = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
    total = 6 * overlap(box, next_box) - 4 * distance / size - 2 * ratio + 3 * cosine - 2
    return 1 / (1 + np.exp(-total))


def plain_tubelets(rows, labels):
    """Rows (frame, box, score, class) by loops over objects."""
    frames = plain_objects(rows)
    tubelets = []
    for frame in sorted(frames):
        ends = [tubelet for tubelet in tubelets if tubelet[-1][0] == frame - 1]
        pairs = [
            (plain_probability(end[-1][1], new, labels), end, new)
            for end in ends
            for new in frames[frame]
        ]
        old, placed = set(), set()
        for probability, end, new in sorted(pairs, key=lambda pair: -pair[0]):
            if probability >= 0.5 and id(end) not in old and id(new) not in placed:
                end.append((frame, new))
                old.add(id(end))
                placed.add(id(new))
        tubelets += [[(frame, new)] for new in frames[frame] if id(new) not in placed]
    found = []
    for tubelet in tubelets:
        for label in labels:
            score = sum(item.get(label, (0,))[0] for _, item in tubelet) / len(tubelet)
            for frame, item in tubelet:
                if score >= 1e-4:
                    box = item.get(label, next(iter(item.values())))[1]
                    found.append((frame, label, round(score, 9), *np.round(box, 6)))
    return sorted(found)


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_plain_loops(seed):
    random = np.random.default_rng(seed)
    starts = random.uniform(0, 60, (6, 2))
    rows = [
        (frame, [*(starts[i] + 2 * frame + random.normal(0, 2, 2)), *random.uniform(28, 34, 2)],
         random.uniform(0.01, 1), int(random.choice([2, 4, 7])))
        for frame in range(8)
        for i in random.integers(0, 6, 9)
    ]  # fmt: skip
    columns = link_tubelets(*video(*rows), smoothing=0)
    found = sorted(
        (int(frame), int(label), round(score, 9), *box.round(6))
        for frame, box, score, label in zip(*columns, strict=True)
    )
    np.testing.assert_allclose(found, plain_tubelets(rows, [2, 4, 7]), rtol=0, atol=2e-6)
    assert len(found) > len(rows)  # something was linked


def test_a_fast_object_is_followed_and_another_one_is_not():
    one_class = np.array([[0.0, 0.8]])
    box = np.array([[10.0, 10, 40, 40]])
    for shift, expected in ((0, True), (12, True), (60, False)):
        there = box + [shift, 0, 0, 0]
        probability = CLASSIFIER.probabilities(box, one_class, there, one_class)[0, 0]
        assert (probability > 0.5) == expected
    other_class = CLASSIFIER.probabilities(box, one_class, box, one_class[:, ::-1])[0, 0]
    same_class = CLASSIFIER.probabilities(box, one_class, box, one_class)[0, 0]
    assert 0.5 < other_class < same_class


def moving_tracks(seed):
    """Four objects in 12 frames, two of each class."""
    random = np.random.default_rng(seed)
    tracks, frames = np.repeat(np.arange(4), 12), np.tile(np.arange(12), 4)
    places = (
        random.uniform(0, 100, (4, 2))[tracks]
        + frames[:, None] * random.normal(0, 4, (4, 2))[tracks]
    )
    boxes = np.column_stack([places, random.normal(40, 1.5, (48, 2))])
    return frames, boxes, tracks % 2, tracks


def test_weights_are_learned_from_tracks():
    learned = LinkClassifier.fit([moving_tracks(seed) for seed in range(5)])
    assert learned.iou > 0 > learned.distance
    assert learned.size < 0 < learned.classes
    frames, boxes, classes, tracks = moving_tracks(99)
    scores = np.eye(2)[classes]
    right = total = 0
    for frame in range(11):
        here, there = frames == frame, frames == frame + 1
        found = learned.probabilities(boxes[here], scores[here], boxes[there], scores[there]) > 0.5
        right += (found == (tracks[here, None] == tracks[there])).sum()
        total += found.size
    assert right / total > 0.95


def test_links_cannot_be_learned_from_a_single_track():
    frames, boxes, classes, tracks = (column[:12] for column in moving_tracks(0))
    with pytest.raises(ValueError, match="11 of 11 pairs"):
        LinkClassifier.fit([(frames, boxes, classes, tracks)])
    with pytest.raises(ValueError, match="0 of 0 pairs"):
        LinkClassifier.fit([])
