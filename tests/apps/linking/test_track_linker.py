import torch
from detectron2.structures import Boxes, Instances

from boxmask_vid.apps.linking import TrackLinker


def found(*detections: tuple[int, float]) -> Instances:
    """Detections of a class, 10 pixels square, at a place along x."""
    boxes = torch.tensor([[x, 0.0, x + 10.0, 10.0] for _, x in detections]).reshape(-1, 4)
    classes = torch.tensor([category for category, _ in detections], dtype=torch.int64)
    return Instances((50, 200), pred_boxes=Boxes(boxes), pred_classes=classes)


def link(linker: TrackLinker, *frames: tuple) -> list[list[int]]:
    return [linker.link(found(*frame)) for frame in frames]


def test_objects_keep_their_numbers_whatever_the_order():
    moving = [((0, 0.0), (0, 50.0)), ((0, 52.0), (0, 2.0)), ((0, 4.0), (0, 54.0))]
    assert link(TrackLinker(), *moving) == [[0, 1], [1, 0], [0, 1]]


def test_classes_are_apart():
    assert link(TrackLinker(), ((0, 0.0),), ((1, 0.0), (0, 3.0))) == [[0], [1, 0]]


def test_the_best_pair_is_first():
    assert link(TrackLinker(), ((0, 0.0),), ((0, 4.0), (0, 1.0))) == [[0], [1, 0]]


def test_what_is_too_far_away_is_new():
    assert link(TrackLinker(min_iou=0.5), ((0, 0.0),), ((0, 4.0),)) == [[0], [1]]


def test_a_track_waits_and_then_ends():
    linker = TrackLinker(patience=2)
    assert link(linker, ((0, 0.0),), (), ((0, 0.0),)) == [[0], [], [0]]
    assert link(linker, (), (), ((0, 0.0),)) == [[], [], [1]]


def test_an_empty_video():
    assert link(TrackLinker(), (), ()) == [[], []]
