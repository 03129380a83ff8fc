"""demo.py --serve, with a server process and headless Chromium."""

import base64
import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from boxmask_vid.apps.video_demo import demo, uploads
from boxmask_vid.apps.video_demo.annotator import AnnotationOptions, Annotator
from boxmask_vid.apps.video_demo.serve import LARGEST_UPLOAD
from boxmask_vid.apps.video_demo.uploads import TooManyVideos, Upload, Uploads
from boxmask_vid.engine import build_cfg
from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoFile, VideoWriter
from support.paths import PROJECT
from support.small import CONFIG

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium"
)
FRAMES = 24
OPTIONS = ["--threshold", "0.2", "--tracks"]
# all that the page has said, and a frame as the browser shows it
LISTEN = """
addEventListener("DOMContentLoaded", () => {
  window.said = [];
  new MutationObserver(() => said.push(document.getElementById("status").textContent))
    .observe(document.getElementById("status"), {childList: true});
});"""
SHOWN = """async video => {
  if (video.readyState < 2) await new Promise((loaded, failed) => {
    video.addEventListener("loadeddata", loaded);
    video.addEventListener("error", () => failed(video.error.message));
  });
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "мой клип 猫.mp4"
    noise = np.random.default_rng(0)
    with VideoWriter(path, 12) as writer:
        for _ in range(FRAMES):
            small = noise.integers(0, 256, (9, 13, 3), np.uint8)
            writer.write(cv2.resize(small, (192, 128), interpolation=cv2.INTER_CUBIC))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Folder of the files of the server."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def address(opts, files):
    """Address of a server; when it is stopped, its files are gone."""
    command = [sys.executable, PROJECT / "demo.py", "--config-file", CONFIG, *OPTIONS]
    with subprocess.Popen(
        [*command, "--serve", "--port", "0", "--opts", *opts],
        env={**os.environ, "TMPDIR": str(files)},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())[0]
        server.send_signal(signal.SIGTERM)
        assert server.wait(240) == 0
    assert not list(files.glob("boxmask_vid_*"))


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """Page that requests everything from its own server and raises no error."""
    page = browser.new_page()
    page.add_init_script(LISTEN)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(address)
    yield page
    page.close()
    assert all(url.startswith(address) for url in asked)
    assert len(asked) >= 3  # the page, its style, its script
    assert not errors


def detect(page: Page, path: Path) -> None:
    page.get_by_label("video").set_input_files(path)
    page.get_by_role("button", name="Detect").click()


def download(page: Page, link: str) -> tuple[str, Path]:
    with page.expect_download() as info:
        page.get_by_role("link", name=link).click()
    return info.value.suggested_filename, Path(info.value.path())


@pytest.mark.slow
@needs_chromium
def test_a_clip_is_uploaded_played_and_downloaded(page, clip, opts, files, tmp_path):
    detect(page, clip)
    video = page.locator("video")
    expect(video).to_be_visible(timeout=240_000)
    expect(page.get_by_role("alert")).to_be_hidden()
    assert any(re.match(rf"Frame \d+ of {FRAMES}", text) for text in page.evaluate("said"))

    name, lines = download(page, "Download the detections")
    assert name == "мой клип 猫.jsonl"
    words = "--config-file", CONFIG, *OPTIONS, "--input", str(clip), "--output"
    words = *words, str(tmp_path / "v.mp4"), "--jsonl", str(tmp_path / "v.jsonl"), "--opts", *opts
    demo.run(demo.argument_parser().parse_args(words))
    assert lines.read_text() == (tmp_path / "v.jsonl").read_text()
    assert any(json.loads(line)["detections"] for line in lines.read_text().splitlines())

    name, annotated = download(page, "Download the annotated video")
    assert name == "мой клип 猫_annotated.mp4"
    png = np.frombuffer(base64.b64decode(video.evaluate(SHOWN)), np.uint8)
    shown = cv2.imdecode(png, cv2.IMREAD_COLOR).astype(int)
    with VideoFile(annotated) as drawn, VideoFile(clip) as plain:
        assert len(drawn) == FRAMES
        to_drawn, to_plain = (np.abs(shown - video[0]).mean() for video in (drawn, plain))
    assert to_drawn < 5 < to_plain  # the boxes are in the picture

    assert not list(files.glob("boxmask_vid_*/*/upload"))
    assert list(files.glob("boxmask_vid_*/*/annotated.mp4"))
    kept = video.get_attribute("src")
    page.reload()
    page.wait_for_function("async kept => (await fetch(kept)).status === 404", arg=kept)
    assert not list(files.glob("boxmask_vid_*/*"))


@pytest.mark.slow
@needs_chromium
def test_a_file_that_is_not_a_video_gets_a_sentence(page, tmp_path, files):
    text = tmp_path / "text.mp4"
    text.write_text("this is not a video")
    detect(page, text)
    alert = page.get_by_role("alert")
    reason = "Invalid data found when processing input"
    sentence = f"The file text.mp4 is not a video that FFmpeg can read ({reason}): check the file."
    expect(alert).to_have_text(sentence)
    expect(page.locator("video")).to_be_hidden()
    assert not list(files.glob("boxmask_vid_*/*/upload"))


@pytest.mark.slow
@needs_chromium
def test_too_large_a_video_is_not_sent(page, clip):
    page.evaluate("Object.defineProperty(File.prototype, 'size', {get: () => 2 ** 31})")
    detect(page, clip)
    sentence = "The video has 2048.0 MiB; at most 1024.0 MiB are allowed."
    expect(page.get_by_role("alert")).to_have_text(sentence)


def ask(address: str, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=240)
    connection.request(method, path, headers=headers)
    return connection.getresponse()


@pytest.mark.slow
def test_too_large_a_video_is_refused(address, files):
    length = str(LARGEST_UPLOAD + 1)
    assert ask(address, "PUT", "/videos?name=v.mp4", **{"Content-Length": length}).status == 413
    assert not list(files.glob("boxmask_vid_*/*"))


@pytest.mark.slow
def test_other_web_pages_get_nothing(address):
    refused = ask(address, "GET", "/", Host="elsewhere.example")
    assert refused.status == 400
    sentence = refused.read().decode()
    assert "opened as 'elsewhere.example'" in sentence
    assert f"open {address}/ there" in sentence
    assert "--host ADDRESS" in sentence
    assert "ssh -L" in sentence
    tunnel = ask(address, "GET", "/", Host="localhost:9000")
    assert tunnel.status == 200
    preflight = ask(address, "OPTIONS", "/videos", Origin="http://elsewhere.example")
    assert not [name for name, _ in preflight.getheaders() if name.startswith("Access-Control")]
    answer = ask(address, "GET", "/")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert not re.findall(r"https?://", answer.read().decode())
    assert ask(address, "GET", "/videos/unknown").status == 404
    assert ask(address, "GET", "/videos/..%2f..%2fetc/annotated.mp4").status == 404


def test_the_page_is_for_this_machine_unless_told_otherwise():
    parse = demo.argument_parser().parse_args
    assert parse(["--config-file", CONFIG, "--serve"]).host == "127.0.0.1"


@pytest.fixture
def annotator(opts) -> Annotator:
    return Annotator(build_cfg(CONFIG, opts), AnnotationOptions(threshold=0.2, tracks=True))


def test_a_cut_off_video_is_shown_as_far_as_it_goes(annotator, clip, tmp_path):
    content = clip.read_bytes()
    upload = Upload(tmp_path, "../../cut.mp4")
    upload.receive(io.BytesIO(content[: len(content) * 3 // 4]))
    upload.annotate(annotator)
    progress = upload.progress()
    assert progress["sentence"].startswith("The video cut.mp4 is cut off: ")
    assert progress["playable"]
    with VideoFile(upload.annotated) as video:
        assert 0 < len(video) == progress["done"] < FRAMES


def test_a_deleted_video_is_not_annotated(annotator, clip, tmp_path):
    upload = Upload(tmp_path / "u", "v.mp4")
    upload.receive(io.BytesIO(clip.read_bytes()))
    upload.delete()
    upload.annotate(annotator)
    assert upload.progress()["done"] == 0
    assert not list(tmp_path.iterdir())


def test_the_disk_is_not_filled(annotator, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_VIDEOS", 1)
    kept = Uploads(annotator, tmp_path)
    first = kept.add("text.mp4", io.BytesIO(b"no video"))
    with pytest.raises(TooManyVideos, match="limit of 1 videos is reached: try again later"):
        kept.add("text.mp4", io.BytesIO(b"no video"))
    deadline = time.monotonic() + 240
    while not kept.get(first).progress()["finished"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    monkeypatch.setattr(uploads, "KEPT", 0)
    second = kept.add("text.mp4", io.BytesIO(b"no video"))
    assert kept.get(first) is None
    assert [path.name for path in tmp_path.iterdir()] == [second]
    kept.close()
    assert not list(tmp_path.iterdir())


def run(*words: str) -> None:
    demo.run(demo.argument_parser().parse_args(["--config-file", CONFIG, *words]))


@pytest.mark.slow
def test_mistakes_get_a_sentence(opts, address, monkeypatch):
    taken = address.rpartition(":")[2]
    with pytest.raises(InputError, match=rf"--port {taken} .*in use.*: choose others"):
        run("--serve", "--port", taken, "--opts", *opts)
    with pytest.raises(InputError, match="leave out --output"):
        run("--serve", "--output", "x.mp4")
    monkeypatch.delitem(sys.modules, "boxmask_vid.apps.video_demo.serve")
    monkeypatch.setitem(sys.modules, "flask", None)
    with pytest.raises(InputError, match=r"package that is not installed \(flask\): pip"):
        run("--serve", "--opts", *opts)
