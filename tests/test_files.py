import json

import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.files import read_json, write_json


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"a": []},
        {"info": {"x": 1}, "a": [], "b": [{"c": [1, 2]}, {"d": "\u00e9\n"}], "c": [3]},
    ],
)
def test_what_is_written_is_read_again(tmp_path, content):
    write_json(tmp_path / "deeper/a.json", content)
    assert read_json(tmp_path / "deeper/a.json") == content
    assert json.loads((tmp_path / "deeper/a.json").read_text()) == content


class InterruptedList(list):
    """Ctrl-C comes while it is written."""

    def __iter__(self):
        yield {"id": 1}
        raise KeyboardInterrupt


def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1]})
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"a": InterruptedList([1, 2])})
    assert read_json(path) == {"a": [1]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("data", [b"", b"[1, 2", b"\xff\xfe\x00", b"9" * 5000, b"[" * 100000])
def test_what_is_not_json_gets_a_sentence(tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")
