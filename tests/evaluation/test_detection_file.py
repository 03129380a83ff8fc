import json

import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.evaluation import (
    Detections,
    GroundTruth,
    detection_file,
    read_detections,
    write_detections,
)
from support.random_vid import random_vid


@pytest.fixture
def data() -> tuple[GroundTruth, list[dict]]:
    content, results = random_vid(6)
    return GroundTruth.from_coco(content), results


def assert_equal(found: Detections, wanted: Detections) -> None:
    for name in ("images", "classes", "scores", "boxes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("block", [7, 64, 1 << 20])
def test_files_are_read_whatever_the_size_of_blocks(data, tmp_path, monkeypatch, indent, block):
    truth, results = data
    monkeypatch.setattr(detection_file, "BLOCK", block)
    monkeypatch.setattr(detection_file, "PORTION", 10)
    for result in results[::3]:  # as pycocotools writes masks: nested, with brackets in strings
        result["segmentation"] = {"size": [9, 9], "counts": "a}, {]\\"}
    path = tmp_path / "found.json"
    path.write_text(json.dumps(results, indent=indent) + "\n")
    assert_equal(read_detections(path, truth), Detections.from_coco(results, truth))


@pytest.mark.parametrize(("block", "end"), [(64, "100%|"), (1 << 20, "")])
def test_progress_ends_with_the_file_and_is_not_shown_for_one_block(
    data, tmp_path, monkeypatch, capsys, block, end
):
    truth, results = data
    monkeypatch.setattr(detection_file, "BLOCK", block)
    path = tmp_path / "found.json"
    path.write_text(json.dumps(results))
    read_detections(path, truth)
    bars = capsys.readouterr().err.split("\r")
    assert end in bars[-1]
    assert bool(bars[-1]) == bool(end)


def test_written_detections_can_be_read(data, tmp_path, monkeypatch):
    truth, results = data
    monkeypatch.setattr(detection_file, "PORTION", 10)
    path = tmp_path / "new/found.json"
    detections = Detections.from_coco(results, truth)
    write_detections(path, detections, truth)
    written = json.loads(path.read_text())
    assert len(written) == len(results) > 20
    assert set(written[0]) == {"image_id", "category_id", "bbox", "score"}
    again = read_detections(path, truth)
    np.testing.assert_array_equal(again.scores, detections.scores)
    order = np.lexsort((*again.boxes.T, again.scores, again.images, again.classes))
    other = np.lexsort(
        (*detections.boxes.T, detections.scores, detections.images, detections.classes)
    )
    np.testing.assert_array_equal(again.boxes[order], detections.boxes[other])
    assert [file.name for file in path.parent.iterdir()] == ["found.json"]


@pytest.mark.parametrize("text", ["[]", " [ ]\n"])
def test_an_empty_list_has_no_detections(data, tmp_path, text):
    path = tmp_path / "none.json"
    path.write_text(text)
    assert len(read_detections(path, data[0])) == 0
    write_detections(path, read_detections(path, data[0]), data[0])
    assert json.loads(path.read_text()) == []


GOOD = '{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 1}'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "starts with ''"),
        ('{"annotations": []}', "detections are a JSON list of COCO results"),
        (f"[{GOOD}", "is not a complete JSON list"),
        (f"[{GOOD}, ", "is not a complete JSON list"),
        (f"[{GOOD[:-9]}", "is not a complete JSON list"),
        (f"[{GOOD} {GOOD}]", "is not a complete JSON list"),
        (f"[{GOOD}, nothing]", "is not a complete JSON list"),
        ("[3]", "detection 0 is 3, not a COCO result"),
        (f"[{'[' * 100_000}", "nested too deeply"),
        (f"[{GOOD.replace('1, 2', '9' * 5000 + ', 2')}]", "is not a complete JSON list"),
        (f"[{GOOD.replace('1, 2', '9' * 400 + ', 2')}]", "has bbox [9999"),
        (f"[{GOOD.replace(': 1,', ': 12345678901234567890,', 1)}]", "it must be a whole number"),
    ],
)
def test_a_file_of_another_format_is_named(data, tmp_path, text, sentence):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.json") as error:
        read_detections(path, data[0])
    assert sentence in str(error.value)


def test_the_number_of_a_bad_detection_counts_through_portions(data, tmp_path, monkeypatch):
    truth, results = data
    monkeypatch.setattr(detection_file, "PORTION", 10)
    del results[23]["score"]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(results))
    with pytest.raises(InputError, match="detection 23 has no 'score'"):
        read_detections(path, truth)


def test_no_file(data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"File of detections .*none\.json not found"):
        read_detections(tmp_path / "none.json", data[0])


def test_what_is_not_utf_8_is_named(data, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(f"[{GOOD}]".encode().replace(b"score", b"sc\xffre"))
    with pytest.raises(InputError, match=r"bad\.json is not text in UTF-8 .*0xff"):
        read_detections(path, data[0])


def test_whole_numbers_of_any_size_are_numbers(data, tmp_path):
    truth, results = data
    results[3]["bbox"] = [10**20, 1, 2, 3]
    results[4]["score"] = 10**25
    path = tmp_path / "large.json"
    path.write_text(json.dumps(results))
    detections = read_detections(path, truth)
    assert detections.scores.max() == 1e25
    assert detections.boxes.max() == 1e20


def test_quotations_are_short(data, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps([["word"] * 1000]))
    with pytest.raises(InputError) as error:
        read_detections(path, data[0])
    assert len(str(error.value)) < 300 + len(str(path))


def test_damaged_files_get_a_sentence_or_are_read(data, tmp_path):
    """Bytes are changed, cut out and doubled; what is read then is what JSON says."""
    truth, results = data
    content = json.dumps(results).encode()
    path = tmp_path / "damaged.json"
    generator = np.random.default_rng(0)
    strange = [
        b"\xff",
        b"[" * 3000,
        b"9" * 20,
        b"1e999",
        b"null",
        b"-",
        b'"',
        b"\x00",
        b"{}",
        b"true",
    ]
    sentences = []
    for number in range(300):
        start, end = sorted(generator.integers(0, len(content), 2))
        end = end if number % 3 == 0 else start + generator.integers(0, 9)
        path.write_bytes(content[:start] + strange[number % len(strange)] + content[end:])
        try:
            read_detections(path, truth)
        except InputError as error:
            sentences.append(str(error))
    assert len(sentences) > 200
    assert max(map(len, sentences)) < 500 + len(str(path))
