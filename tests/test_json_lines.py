import json

import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.json_lines import JsonLinesLog, read_json_lines

PROVENANCE = {"weights": "abc", "MODEL.SIZE": "(3, 4)"}


def write(path, *records: dict, keep: int = 0) -> None:
    with JsonLinesLog(path, PROVENANCE, keep=keep) as log:
        for record in records:
            log.append(record)


def read(path, provenance=PROVENANCE) -> list[dict]:
    return list(read_json_lines(path, provenance))


def test_records_are_on_disk_at_once(tmp_path):
    path = tmp_path / "new/a.jsonl"
    log = JsonLinesLog(path, PROVENANCE)
    log.append({"b": 1, "a": "\u00e9\n"})
    assert read(path) == [{"b": 1, "a": "\u00e9\n"}]  # the log is not closed
    assert path.read_text() == '{"b": 1, "a": "\\u00e9\\n"}\n'
    assert json.loads((tmp_path / "new/a.jsonl.provenance").read_text()) == PROVENANCE


def test_a_torn_line_is_left_out_and_cut_off(tmp_path, caplog):
    path = tmp_path / "a.jsonl"
    assert read(path) == []
    write(path, {"a": 1}, {"a": 2})
    path.write_text(path.read_text()[:-1])
    assert read(path) == [{"a": 1}]
    assert "the last line is torn" in caplog.text
    write(path, {"a": 3}, keep=1)
    assert read(path) == [{"a": 1}, {"a": 3}]
    write(path, {"a": 4})
    assert read(path) == [{"a": 4}]


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        ({**PROVENANCE, "weights": "x"}, "made with weights abc, now it is x: leave out --resume"),
        ({"weights": "abc"}, r"made with MODEL.SIZE \(3, 4\), now it is None"),
        ({**PROVENANCE, "MODEL.A": "1"}, "made with MODEL.A None, now it is 1"),
    ],
)
def test_another_provenance_is_refused(tmp_path, provenance, message):
    write(tmp_path / "a.jsonl", {"a": 1})
    with pytest.raises(InputError, match=rf"a\.jsonl was {message}"):
        read(tmp_path / "a.jsonl", provenance)


def test_a_log_without_provenance_is_refused(tmp_path):
    write(tmp_path / "a.jsonl", {"a": 1})
    (tmp_path / "a.jsonl.provenance").rename(tmp_path / "a.jsonl.made_by")  # as of version 0.1
    with pytest.raises(InputError, match=r"File \S+a\.jsonl\.provenance not found"):
        read(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl.provenance").write_text("[]")
    with pytest.raises(InputError, match=r"a\.jsonl\.provenance is not a JSON object"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize("line", ["no json", "[1]", "", "[" * 100_000])
def test_a_line_that_is_not_a_record_is_refused(tmp_path, line):
    write(tmp_path / "a.jsonl", {"a": 1})
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: this is not a JSON object"):
        read(tmp_path / "a.jsonl")


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"a\.jsonl cannot be written"):
        JsonLinesLog(tmp_path / "file/a.jsonl", PROVENANCE)
