import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.evaluation import DetectionLog
from boxmask_vid.evaluation.detection_log import FrameDetections

PROVENANCE = {"weights": "abc", "MODEL.SIZE": "(3, 4)"}


def frame(image_id: int, count: int = 2) -> FrameDetections:
    rng = np.random.default_rng(image_id)
    return FrameDetections(
        image_id, rng.integers(0, 9, count), rng.random(count), 90 * rng.random((count, 4))
    )


def log(folder, *frames: FrameDetections, resume=False, provenance=PROVENANCE) -> DetectionLog:
    result = DetectionLog(folder, provenance, resume=resume)
    for detections in frames:
        result.append(detections)
    return result


def assert_equal(found: FrameDetections, wanted: FrameDetections) -> None:
    assert found.image_id == wanted.image_id
    for a, b in zip(found[1:], wanted[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_frames_are_on_disk_at_once_and_there_to_the_last_bit(tmp_path):
    first = log(tmp_path, frame(4), frame(9, 0))  # not closed
    again = log(tmp_path, frame(5), resume=True)
    assert again.image_ids == {4, 9}
    assert again.path != first.path
    assert_equal(again.earlier[4], frame(4))
    assert_equal(again.earlier[9], frame(9, 0))
    assert log(tmp_path, resume=True).image_ids == {4, 5, 9}


def test_a_torn_line_is_left_out(tmp_path, caplog):
    path = log(tmp_path, frame(4), frame(5)).path
    text = path.read_text()
    path.write_text(text[:-30])
    assert log(tmp_path, resume=True).image_ids == {4}
    assert "the last line is torn" in caplog.text
    path.write_text(text[:20])  # in the first line
    assert log(tmp_path, resume=True).image_ids == set()


def test_without_resume_all_is_removed(tmp_path):
    log(tmp_path, frame(4)).path.rename(tmp_path / "detections_7_1.jsonl")
    (tmp_path / "other.json").write_text("1")
    fresh = log(tmp_path)
    assert fresh.image_ids == set()
    names = {"other.json", fresh.path.name, f"{fresh.path.name}.provenance"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_another_provenance_is_refused(tmp_path):
    path = log(tmp_path, frame(4)).path
    with pytest.raises(InputError, match="made with weights abc, now it is xyz: leave out"):
        log(tmp_path, resume=True, provenance={**PROVENANCE, "weights": "xyz"})
    assert path.is_file()


@pytest.mark.parametrize("line", ["{}", '{"image_id": "a"}', '{"image_id": 1, "classes": ["b"]}'])
def test_a_line_that_is_no_frame_is_named(tmp_path, line):
    first = log(tmp_path, frame(4))
    with first.path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match=r"jsonl, line 2: this is not a frame of detections"):
        log(tmp_path, resume=True)
