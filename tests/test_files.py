import json
import os

import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.files import read_json, refuse_devices, write_json


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


@pytest.mark.parametrize("name", ["pipe", "link", "/dev/null", "/dev/stdout", "/dev/fd/1"])
def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a device or a pipe: choose a file"):
        refuse_devices(tmp_path / name)
    if not name.startswith("/dev"):
        with pytest.raises(InputError, match="is a device or a pipe: choose a file"):
            write_json(tmp_path / name, {})
        assert (tmp_path / name).is_fifo()
