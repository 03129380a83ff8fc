"""Weights by name: interruptions, and everything that is refused."""

import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from boxmask_vid.checkpoint import VIDCheckpointer
from boxmask_vid.checkpoint.zoo import CHECKPOINTS, Weights, local_file
from boxmask_vid.errors import InputError
from support.published_files import NAME, assert_converted, fetch, names_in, published
from support.tiny_models import untrained


def test_a_connection_that_breaks_off_is_continued(server, file_name):
    server.breaks = [1_000_000, 500_000]
    assert_converted(local_file(NAME))
    ranges = ["", "bytes=1000000-", "bytes=1500000-"]
    assert server.requests == [(file_name, asked) for asked in ranges]


@pytest.mark.parametrize("option", ["ranges", "lengths"])
def test_servers_that_cannot_continue_or_tell_no_length(server, option):
    setattr(server, option, False)
    server.breaks = [1_000_000]
    if option == "ranges":
        assert_converted(local_file(NAME))
        assert len(server.requests) == 2
    else:  # the end of the connection is the end of the file
        with pytest.raises(InputError, match="The SHA-256 of"):
            local_file(NAME)
        assert_converted(local_file(NAME))


def test_one_that_breaks_off_again_and_again(server, cache, file_name):
    server.breaks = [100_000] * 5
    with pytest.raises(InputError, match=r"broke off 5 times: start again to continue it"):
        local_file(NAME)
    assert names_in(cache) == [f"{file_name}.part"]
    assert_converted(local_file(NAME))
    assert server.requests[-1] == (file_name, "bytes=500000-")
    assert len(names_in(cache)) == 1


@pytest.mark.parametrize("beginning", [b"of another file", b"longer than the file" * 200_000])
def test_what_is_there_is_of_another_file(server, cache, file_name, beginning):
    cache.mkdir(parents=True)
    (cache / f"{file_name}.part").write_bytes(beginning)
    assert_converted(local_file(NAME))
    assert server.requests[-1] == (file_name, "")


def test_a_finished_download_that_was_not_converted(server, cache, selsa_file):
    cache.mkdir(parents=True)
    (cache / f"{selsa_file[0].file_name}.part").write_bytes(selsa_file[1])
    assert_converted(local_file(NAME))
    assert not server.requests


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_half_file(server, selsa_file, cache):
    server.breaks, server.stall = [1_000_000], True
    process = multiprocessing.get_context("spawn").Process(target=fetch, args=(selsa_file[0],))
    process.start()
    part = cache / f"{selsa_file[0].file_name}.part"
    deadline = time.monotonic() + 240
    while not (part.is_file() and part.stat().st_size > 500_000):
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.join()
    assert names_in(cache) == [part.name]
    assert_converted(local_file(NAME))  # the lock went with the process
    assert server.requests[-1][1].startswith("bytes=")


def test_another_content_under_the_name(server, cache, selsa_file):
    weights, content = selsa_file
    server.files[weights.file_name] = content[::-1]
    with pytest.raises(
        InputError, match=r"begins with (\w{8}), its name ends with (\w{8})"
    ) as error:
        local_file(NAME)
    assert weights.digits in str(error.value)
    assert not names_in(cache)


def test_no_such_file_and_no_network(server, cache, monkeypatch):
    server.files.clear()
    with pytest.raises(InputError, match=r"http\S+pth was answered with 404 .*BOXMASK_VID_ZOO"):
        local_file(NAME)
    monkeypatch.setenv("BOXMASK_VID_ZOO", "http://127.0.0.1:1")
    with pytest.raises(InputError, match=r"http\S+pth cannot be reached .*: check the network, or"):
        local_file(NAME)
    for address in ("http://", "http://[", "what://mirror", "http://127.0.0.1:port"):
        monkeypatch.setenv("BOXMASK_VID_ZOO", address)
        with pytest.raises(InputError, match="cannot be reached"):
            local_file(NAME)
    assert not names_in(cache)


def test_weights_of_another_config(server, monkeypatch):
    weights, content = published("troi")
    monkeypatch.setitem(CHECKPOINTS, weights.name, weights)
    server.files[weights.file_name] = content
    for kind, name in (("selsa", "troi_tiny"), ("troi", "selsa_tiny")):
        with pytest.raises(InputError, match=rf"lacks \d+ tensors.*Use its config \S+{name}.yaml"):
            VIDCheckpointer(untrained(kind), require_all=True).load(f"boxmask_vid://{name}")
    with pytest.raises(InputError, match="embed"):  # would detect something without it
        VIDCheckpointer(untrained("selsa"), require_all=True).load("boxmask_vid://troi_tiny")
    VIDCheckpointer(untrained("selsa")).load("boxmask_vid://troi_tiny", checkpointables=[])


def test_a_file_that_does_not_fit_its_config(server, cache, selsa_file, monkeypatch):
    weights, content = published("troi")
    wrong = Weights(weights.name, weights.url, selsa_file[0].config)
    monkeypatch.setitem(CHECKPOINTS, weights.name, wrong)
    server.files[weights.file_name] = content
    with pytest.raises(InputError, match="does not fit this config"):
        local_file("boxmask_vid://troi_tiny")
    assert names_in(cache) == [f"{weights.file_name}.part"]


@pytest.mark.parametrize("place", ["download", "conversion"])
def test_a_full_cache(server, cache, selsa_file, place, tmp_path, monkeypatch):
    if place == "conversion":
        (tmp_path / selsa_file[0].file_name).write_bytes(selsa_file[1])
        monkeypatch.setenv("BOXMASK_VID_ZOO", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(
            InputError, match=rf"{cache} cannot be written \(File too large\): set F"
        ):
            local_file(NAME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [name for name in names_in(cache) if not name.endswith(".part")]
    assert_converted(local_file(NAME))


@contextmanager
def without_rights():
    """Without those of root, which may write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_cache_that_can_only_be_read(server, monkeypatch):
    folder = Path(tempfile.mkdtemp())  # pytest's can only be read by its owner
    try:
        monkeypatch.setenv("FVCORE_CACHE", str(folder))
        folder.chmod(0o555)
        with (
            without_rights(),
            pytest.raises(
                InputError, match=rf"{folder}/boxmask_vid cannot be written .*set FVCORE_CACHE"
            ),
        ):
            local_file(NAME)
        assert not server.requests
        folder.chmod(0o755)
        path = local_file(NAME)
        path.parent.chmod(0o555)
        with without_rights():
            assert local_file(NAME) == path
    finally:
        shutil.rmtree(folder)


def test_a_file_in_place_of_the_cache(server, cache):
    cache.parent.write_text("")
    with pytest.raises(InputError, match=rf"{cache} cannot be written"):
        local_file(NAME)
