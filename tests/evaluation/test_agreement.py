"""Differences of detections that two files share."""

import numpy as np

from boxmask_vid.evaluation import Detections, agreement


def detections(*rows: tuple) -> Detections:
    """Rows of image, class, score, x, y, width, height."""
    table = np.array(rows, dtype=float).reshape(-1, 7)
    return Detections.ordered(
        table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2], table[:, 3:]
    )


FIRST = detections(
    (0, 0, 0.9, 10, 10, 40, 40),
    (0, 0, 0.8, 12, 10, 40, 40),  # overlaps both of the other file
    (0, 1, 0.7, 100, 10, 40, 40),
    (3, 0, 0.5, 10, 10, 40, 40),
    (3, 0, 0.1, 200, 10, 40, 40),  # too low
)


def test_the_same_file():
    same = agreement(FIRST, FIRST)
    assert same.counts == (4, 4)
    assert same.pixels.tolist() == same.scores.tolist() == [0] * 4


def test_pairs_are_of_one_frame_and_class_and_each_detection_has_one():
    second = detections(
        (0, 0, 0.88, 10, 10.5, 40, 40),
        (0, 0, 0.8, 13, 10, 39.5, 40),
        (0, 0, 0.6, 100, 10, 40, 40),  # another class
        (2, 0, 0.5, 10, 10, 40, 40),  # another frame
    )
    found = agreement(FIRST, second)
    assert found.counts == (4, 4)
    np.testing.assert_allclose(sorted(found.pixels), [0.5, 1.0])
    np.testing.assert_allclose(sorted(found.scores), [0, 0.02], atol=1e-12)
    assert "share 2 of 4 and 4 detections" in str(found)
    assert "0.75 pixels (median; at most 1), the scores by 0.01 (at most 0.02)" in str(found)


def test_nothing_in_common():
    nothing = detections()
    assert str(agreement(nothing, FIRST)).startswith("both files share 0 of 0 and 4 detections")
    assert len(agreement(FIRST, nothing).pixels) == 0
