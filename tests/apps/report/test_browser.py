"""The report in headless Chromium."""

import json
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from boxmask_vid.apps.report import ReportData, write_report
from support.report_data import made_up_detections

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="chromium not found; on Debian: apt-get install chromium"
    ),
    pytest.mark.slow,
]
WIDTH, HEIGHT = 1200, 7000
# measured by the browser once everything is loaded
MEASURE = """<script>addEventListener("load", () => {
  const bad = [...document.images].filter(image => !(image.complete && image.naturalWidth > 0));
  const seen = {images: document.images.length, bad: bad.length,
    pictures: document.querySelectorAll("figure svg image").length,
    overflow: document.documentElement.scrollWidth - innerWidth,
    height: document.documentElement.scrollHeight};
  document.body.textContent = "seen" + JSON.stringify(seen);
});</script>"""


def chromium(folder, *options, width=WIDTH):
    """Output of a run with its own profile."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{HEIGHT}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def report(synthetic_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    tree = synthetic_root / "synthetic_vid"
    truth = tree / "coco_vid/imagenet_vid_val.json"
    (folder / "det.json").write_text(json.dumps(made_up_detections(json.loads(truth.read_text()))))
    data = ReportData.read(str(truth), str(folder / "det.json"))
    write_report(folder / "report.html", data, tree / "Data/VID")
    return folder / "report.html"


@pytest.mark.parametrize("width", [WIDTH, 800])
def test_everything_is_loaded_and_fits(report, width):
    page = report.with_name("measured.html")
    page.write_text(report.read_text() + MEASURE)
    shown = chromium(report.parent, "--dump-dom", page.as_uri(), width=width)
    seen = json.loads(re.search(r"seen(\{.*?\})", shown.rsplit("<body>", 1)[1])[1])
    assert (seen["images"], seen["bad"], seen["pictures"]) == (4, 0, 8)
    assert seen["overflow"] == 0
    assert 3000 < seen["height"] < HEIGHT


def test_it_is_painted(report):
    picture = report.with_name("report.png")
    chromium(report.parent, f"--screenshot={picture}", report.as_uri())
    image = cv2.imread(str(picture))
    assert image.shape == (HEIGHT, WIDTH, 3)
    dark = (image < 120).all(axis=2)
    assert dark[:100].any()  # the title
    assert dark.mean() > 0.01
    for colour in ("#D55E00", "#E69F00", "#8A8A8A", "#56B4E9", "#00C853"):  # bars, strips, boxes
        blue_green_red = [int(colour[place : place + 2], 16) for place in (5, 3, 1)]
        assert (np.abs(image.astype(int) - blue_green_red) < 6).all(axis=2).sum() > 100, colour
