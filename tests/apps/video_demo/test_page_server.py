"""The server of the page: names, paths, hosts, slow clients and signals."""

import contextlib
import http.client
import io
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from werkzeug.http import parse_options_header

from boxmask_vid.apps.video_demo import connections
from boxmask_vid.apps.video_demo.annotator import AnnotationOptions, Annotator
from boxmask_vid.apps.video_demo.serve import build_app, build_server, is_loopback, serve
from boxmask_vid.apps.video_demo.uploads import Upload, Uploads, shown_name
from boxmask_vid.engine import build_cfg
from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoWriter
from support.paths import PROJECT
from support.small import CONFIG

MIB = 1 << 20
PATIENT = 240  # seconds that a test waits for what should come at once


@pytest.fixture(scope="module")
def annotator(opts) -> Annotator:
    return Annotator(build_cfg(CONFIG, opts), AnnotationOptions(threshold=0.2))


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    noise = np.random.default_rng(0)
    with VideoWriter(path, 10) as writer:
        for _ in range(3):
            writer.write(noise.integers(0, 256, (64, 96, 3), np.uint8))
    return path.read_bytes()


@pytest.fixture
def uploads(annotator, tmp_path) -> Iterator[Uploads]:
    with contextlib.closing(Uploads(annotator, tmp_path)) as uploads:
        yield uploads


def finished(client, name: str, content: bytes) -> tuple[str, dict]:
    """Address and progress of an upload that has been processed."""
    answer = client.put("/videos", query_string={"name": name}, data=content)
    assert answer.status_code == 201
    address, end = f"/videos/{answer.json['id']}", time.monotonic() + PATIENT
    while not (progress := client.get(address).json)["finished"]:
        assert time.monotonic() < end
    return address, progress


NAMES = {
    "Клип 1.mp4": "Клип 1.mp4",
    "猫と犬.mov": "猫と犬.mov",
    "فيديو.mkv": "فيديو.mkv",
    "कुत्ता.mp4": "कुत्ता.mp4",
    "می‌خواهم.mp4": "می‌خواهم.mp4",  # has a zero-width non-joiner
    "👩‍🔬.mp4": "👩‍🔬.mp4",
    "cafe\u0301.mp4": "cafe\u0301.mp4",
    "C:\\fakepath\\näh.mp4": "näh.mp4",
    "../../etc/pass\r\nwd.mp4": "passwd.mp4",
    "..": "video",
    "": "video",
    "\0": "video",
    "x" * 400 + ".mp4": "x" * 146 + ".mp4",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_kept_in_any_script(name):
    assert shown_name(name) == NAMES[name]


def test_the_download_has_the_name_of_the_upload(uploads, video):
    client = build_app(uploads).test_client()
    address, progress = finished(client, "可爱 کلیپ 'ü\".mp4", video)
    assert progress["playable"], progress
    for file, name in (
        ("annotated.mp4", "可爱 کلیپ 'ü\"_annotated.mp4"),
        ("detections.jsonl", "可爱 کلیپ 'ü\".jsonl"),
    ):
        answer = client.get(f"{address}/{file}")
        assert answer.status_code == 200
        _, options = parse_options_header(answer.headers["Content-Disposition"])
        assert options["filename"] == name


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 5000, b"RIFF1234AVI LIST"])
def test_no_path_of_the_server_in_a_sentence_and_404_for_what_is_not_there(
    uploads, tmp_path, content
):
    client = build_app(uploads).test_client()
    address, progress = finished(client, "kaputt ü.avi", content)
    assert "kaputt ü.avi" in progress["sentence"]
    assert "/" not in progress["sentence"].replace("and/or", "")
    for file in ("annotated.mp4", "detections.jsonl"):
        assert client.get(f"{address}/{file}").status_code == 404
    client.delete(address)
    assert client.get(f"{address}/annotated.mp4").status_code == 404
    assert client.get("/videos/x\0y").status_code == 404


def test_results_that_cannot_be_written_name_no_path(annotator, video, tmp_path):
    upload = Upload(tmp_path / "key", "v.mp4")
    upload.receive(io.BytesIO(video))
    upload.lines.mkdir()  # a folder where the result is to be written
    upload.annotate(annotator)
    progress = upload.progress()
    assert "detections.jsonl" in progress["sentence"]
    assert str(tmp_path) not in progress["sentence"]


HOSTS = {
    "localhost": True,
    "LOCALHOST:9000": True,
    "127.0.0.1:8000": True,
    "[::1]:8000": True,
    "::1": False,
    "example.org": False,
    "localhost.example.org": False,
    "127.0.0.1.example.org": False,
    "192.168.0.7:8000": False,
    "": False,
    "[": False,
}


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_of_this_machine(host):
    assert is_loopback(host) == HOSTS[host]


WRONG_PLACES = [("127.0.0.1", 70000), ("127.0.0.1", -1), ("a b", 0), ("ü" * 80, 0), ("8.8.8.8", 0)]


@pytest.mark.parametrize(("host", "port"), WRONG_PLACES)
def test_a_place_that_cannot_be_served(host, port):
    options = AnnotationOptions()
    with pytest.raises(InputError, match=rf"--host {host} --port {port} .*: choose others"):
        serve(build_cfg(CONFIG), options, host=host, port=port)


def test_another_host_is_told_what_to_do(uploads):
    url = "http://[::1]:8000/"
    client = build_app(uploads, local_url=url).test_client()
    assert client.get("/", headers={"Host": "[::1]:8000"}).status_code == 200
    for host in ("evil.example", "192.168.0.7:8000", "a_b", "x" * 300):
        answer = client.get("/", headers={"Host": host})
        assert answer.status_code == 400
        assert answer.mimetype == "text/plain"
        for words in (url, "--host", "ssh -L 8000:localhost:8000", host[:100]):
            assert words in answer.text
    public = build_app(uploads).test_client()
    assert public.get("/", headers={"Host": "evil.example"}).status_code == 200


@pytest.fixture
def port(uploads) -> Iterator[int]:
    """Port of a server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = build_server(build_app(uploads), listening)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.asyncore.close_all(server._map)
            server.pull_trigger = lambda: None
            server.task_dispatcher.shutdown()
            thread.join(PATIENT)


def connect(port: int, text: str = "", *, source: str = "127.0.0.1") -> socket.socket:
    address = ("127.0.0.1", port)
    connection = socket.create_connection(address, timeout=PATIENT, source_address=(source, 0))
    connection.sendall(text.encode())
    return connection


def status(port: int, method: str = "GET", path: str = "/", body: bytes | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENT)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        return connection.getresponse().status


def is_closed(connection: socket.socket) -> bool:
    """Wait until the server closes a connection; an answer is not expected."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


HALF_A_HEADER = "GET / HTTP/1.1\r\nHost: localhost\r\nX: "
UPLOAD = "PUT /videos?name=a.mp4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
HALF_A_BODY = f"{UPLOAD.format(900_000)}abc"


@pytest.mark.parametrize("text", [HALF_A_HEADER, HALF_A_BODY])
def test_a_request_that_takes_too_long_is_given_up(port, monkeypatch, text):
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    with connect(port, text) as slow:
        assert is_closed(slow)
    assert status(port) == 200


def test_single_bytes_in_time_do_not_keep_a_connection(port, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    with connect(port, HALF_A_HEADER) as slow:
        slow.settimeout(0.05)
        end = time.monotonic() + PATIENT
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                slow.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    assert slow.recv(1) == b""
                    break
        assert time.monotonic() < end


def test_an_upload_has_the_time_that_its_bytes_need(port, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    head = UPLOAD.format(2 * MIB)
    with connect(port, head) as upload, connect(port, HALF_A_HEADER) as slow:
        upload.sendall(b"x" * MIB)
        assert is_closed(slow)  # more time has passed than a request without bytes has
        upload.sendall(b"x" * MIB)
        assert upload.recv(12) == b"HTTP/1.1 201"


@pytest.mark.parametrize("text", ["", HALF_A_HEADER, HALF_A_BODY])
def test_many_slow_connections_of_a_client_lock_out_nobody(port, text):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(port, text)) for _ in range(150)]
        assert status(port) == 200
        is_open = slow
        while len(is_open) > connections.MOST_OF_A_CLIENT:
            ended, _, _ = select.select(is_open, [], [], PATIENT)
            assert ended
            is_open = [connection for connection in is_open if connection not in ended]
        assert is_open


def test_an_upload_is_not_given_up_for_idle_connections_of_its_client(port):
    head = UPLOAD.format(2 * MIB)
    with contextlib.ExitStack() as stack:
        upload = stack.enter_context(connect(port, head))
        upload.sendall(b"x" * MIB)
        for text in ("", HALF_A_HEADER):
            for _ in range(20):
                stack.enter_context(connect(port, text))
        assert status(port) == 200
        upload.sendall(b"x" * MIB)
        assert upload.recv(12) == b"HTTP/1.1 201"


def test_clients_that_do_not_take_their_answers_lock_out_nobody(port, uploads, tmp_path):
    key = uploads.add("a.mp4", io.BytesIO(b"no video"))
    result = uploads.get(key).lines
    end = time.monotonic() + PATIENT
    while not uploads.get(key).progress()["finished"]:
        assert time.monotonic() < end
    with result.open("wb") as file:
        file.truncate(64 * MIB)
    ask = f"GET /videos/{key}/detections.jsonl HTTP/1.1\r\nHost: localhost\r\n"
    with contextlib.ExitStack() as stack:
        for part in ("", "Range: bytes=1-\r\n"):
            for client in range(2, 5):
                for _ in range(10):
                    source = f"127.0.0.{client}"
                    stack.enter_context(connect(port, f"{ask}{part}\r\n", source=source))
        assert status(port) == 200
        assert status(port, "DELETE", f"/videos/{key}") == 204


def loopback() -> str:
    """IPv6, where the machine has it."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return "::1"
    return "127.0.0.1"


@pytest.mark.slow
def test_ipv6_and_the_end_by_a_closed_terminal(opts, tmp_path):
    host = loopback()
    command = [sys.executable, PROJECT / "demo.py", "--config-file", CONFIG, "--serve"]
    with subprocess.Popen(
        [*command, "--host", host, "--port", "0", "--opts", *opts],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        port = int(re.search(r"^Open http://\S+:(\d+)/ in", server.stdout.readline())[1])
        connection = http.client.HTTPConnection(host, port, timeout=PATIENT)
        connection.request("PUT", "/videos?name=a.mp4", b"no video")
        assert connection.getresponse().status == 201
        assert list(tmp_path.glob("boxmask_vid_*"))
        server.send_signal(signal.SIGHUP)
        server.send_signal(signal.SIGTERM)  # does not disturb the end
        assert server.wait(PATIENT) == 0
    assert not list(tmp_path.glob("boxmask_vid_*"))


def test_files_of_the_package_are_served(uploads):
    client = build_app(uploads).test_client()
    assert client.get("/page/page.js").status_code == 200
    assert client.get("/page/../serve.py").status_code == 404
    assert not Path("serve.py").exists()


def test_no_request_is_a_fault_of_the_server(port, uploads):
    key = uploads.add("a.mp4", io.BytesIO(b"no video"))
    chance = random.Random(0)
    paths = ["/", "/videos", f"/videos/{key}", f"/videos/{key}/detections.jsonl", "/page/page.js"]
    paths += [
        "/videos/%00",
        "/videos/%ff",
        "/page/%2e%2e/serve.py",
        "/videos?name=%ff%00",
        "//",
        "*",
    ]
    heads = ["Range: bytes=5-1", "Range: bytes=999-", "Content-Length: 3", "Content-Length: -1"]
    heads += ["Transfer-Encoding: chunked", "If-Range: x", "Cookie: \xff", "Host: [", "Accept: \0"]
    for _ in range(150):
        method = chance.choice(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "X"])
        lines = [
            f"{method} {chance.choice(paths)} HTTP/1.1",
            "Host: localhost",
            "Connection: close",
        ]
        request = "\r\n".join([*lines, *chance.sample(heads, chance.randrange(3))])
        with connect(port) as connection:
            connection.sendall(f"{request}\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode("latin-1"))
            answer = connection.recv(12)
        assert not answer.startswith(b"HTTP/1.1 500"), request
