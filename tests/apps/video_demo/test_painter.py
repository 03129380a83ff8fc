"""Boxes and labels in frames."""

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from boxmask_vid.apps.video_demo.painter import COLORS, Painter

SIZE = 120, 200


def instances(boxes: list, classes: list) -> Instances:
    return Instances(
        SIZE,
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).view(-1, 4)),
        scores=torch.linspace(0.9, 0.6, len(boxes)),
        pred_classes=torch.tensor(classes),
    )


def painted(names: list, found: Instances, tracks: list | None) -> np.ndarray:
    image = np.full((*SIZE, 3), 100, np.uint8)
    drawn = Painter(names).draw(image, found, tracks)
    assert (image == 100).all()
    assert drawn.shape == image.shape
    return drawn


@pytest.mark.parametrize(("tracks", "colors"), [(None, (0, 1)), ([7, 3], (7, 3))])
def test_a_box_has_the_colour_of_its_track_or_of_its_class(tracks, colors):
    drawn = painted(
        ["dog", "cat"], instances([[20, 40, 90, 100], [120, 50, 180, 90]], [0, 1]), tracks
    )
    assert tuple(drawn[70, 20]) == tuple(drawn[70, 90]) == COLORS[colors[0]]
    assert tuple(drawn[70, 120]) == tuple(drawn[90, 150]) == COLORS[colors[1]]
    assert (drawn[70, 40:80] == 100).all()  # inside
    assert (drawn[30:39, 20:60] != 100).any()  # the label


def test_boxes_at_and_beyond_the_edges():
    boxes = [[-10, -10, 30, 30], [190, 100, 260, 160], [0, 0, 200, 120], [50, 2, 50, 2]]
    assert (painted(["a long name of a class"], instances(boxes, [0] * 4), None) != 100).any()


def test_no_boxes():
    assert (painted(["dog"], instances([], []), None) == 100).all()


@pytest.mark.slow
@pytest.mark.parametrize("tracks", [None, [4]])
def test_letters_and_masks_that_opencv_does_not_draw(tracks):
    assert (painted(["Köter"], instances([[20, 40, 90, 100]], [0]), tracks) != 100).any()
    found = instances([[20, 40, 90, 100]], [0])
    found.pred_masks = torch.zeros(1, *SIZE, dtype=torch.bool)
    found.pred_masks[0, 60:80, 40:60] = True
    assert (painted(["dog"], found, tracks)[62:78, 42:58] != 100).any()
