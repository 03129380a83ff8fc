import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from boxmask_vid.apps.report import ReportData, write_report
from boxmask_vid.apps.report.analysis.errors import KINDS
from boxmask_vid.errors import InputError
from boxmask_vid.evaluation import Metric
from boxmask_vid.video import VideoWriter
from support.random_vid import HEIGHT, WIDTH, random_vid
from support.report_data import made_up_detections


class Page(HTMLParser):
    """Parser of a page: text, tables as rows of cells; checks that every element is closed."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.text, self.rows = [], [], "", []
        self.source = Path(path).read_text()
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("img", "meta"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def row(self, name, *, after=""):
        """The first row with this name, after one with another name."""
        names = [row[0].strip() if row else "" for row in self.rows]
        return self.rows[names.index(name, names.index(after) if after else 0)]


def page_of(tmp_path, content, results, images=None):
    """A report as a page, and its data."""
    truth, found = tmp_path / "gt.json", tmp_path / "det.json"
    truth.write_text(json.dumps(content))
    found.write_text(json.dumps(results))
    data = ReportData.read(str(truth), str(found))
    write_report(tmp_path / "new/report.html", data, images)
    return Page(tmp_path / "new/report.html"), data


def percent(value):
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


@pytest.fixture(scope="module")
def random_page(tmp_path_factory):
    content, results = random_vid(3, videos=8, per_frame=6)
    for number, annotation in enumerate(content["annotations"]):
        annotation["occluded"] = number % 2
    return page_of(tmp_path_factory.mktemp("page"), content, results)


def test_tables_say_what_the_scorers_say(random_page):
    page, data = random_page
    for scorer, name in (("coco", "AP"), ("coco", "AP50"), ("ilsvrc", "AP50"), ("mega", "AP50")):
        cells = page.row(f"{scorer} {name}")[1:]
        for cell, motion in zip(cells, ("all", "slow", "medium", "fast"), strict=True):
            assert cell.split()[0] == percent(data.scores.mean(Metric(scorer, motion, name)))
    row = page.row("class_5")
    assert row[1] == str((data.ground_truth.classes == 1).sum())
    metrics = [Metric(s, m, "AP50") for s in ("coco", "ilsvrc", "mega") for m in data.motion_ranges]
    expected = [data.scores.per_class[m][1] for m in (Metric("coco", "all", "AP"), *metrics)]
    assert row[2:] == [percent(value) for value in expected]
    assert page.row("class_9")[2:] == ["-"] * len(expected)  # has no objects


def test_errors_are_those_above_the_threshold(random_page):
    page, data = random_page
    gains = data.gains["", "all objects"][1].gains
    for kind, name in enumerate(KINDS):
        _, _, count, gain = page.row(name, after="kind")
        kinds = data.confident_errors.kinds
        expected = data.confident_errors.missed if name == "missed" else kinds == kind
        assert (count, gain) == (str(expected.sum()), percent(gains[kind]))
    for group in ("motion: fast", "size: small", "occlusion: occluded", "occlusion: not occluded"):
        boxes, delta = data.gains[tuple(group.split(": "))]
        row = page.row(group, after="objects")
        assert row[1:] == [str(boxes), *map(percent, (delta.ap50, *delta.gains))]
    above = data.detections.scores >= data.point.threshold
    np.testing.assert_array_equal(data.confident.scores, data.detections.scores[above])
    assert 0 < above.sum() < len(above)
    assert "no 'occluded' flags" not in page.text


def test_steadiness_is_the_mean_over_tracks(random_page):
    page, data = random_page
    row = page.row("all tracks")
    assert row[1] == str(len(data.stability))
    assert row[3] == f"{np.nanmean(data.stability.fragment):.3f}"
    assert float(row[6]) == pytest.approx(sum(map(float, row[3:6])), abs=2e-3)
    assert re.search(r"\d+ of \d+ frames, \d+ changes", page.text)


def test_worst_videos_come_first(random_page):
    page, _ = random_page
    shown = [float(value) for value in re.findall(r"F1 (\d+\.\d):", page.text)]
    assert shown == sorted(shown)
    assert len(shown) == 6
    assert "--images" in page.text


def test_nothing_is_loaded_from_elsewhere(random_page):
    page, _ = random_page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page.source)
    assert len(sources) == 4  # plots
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "http" not in re.sub('base64,[^"]*', "", page.source)


def test_the_same_input_gives_the_same_page(random_page, tmp_path):
    page, data = random_page
    write_report(tmp_path / "again.html", data, None)
    assert (tmp_path / "again.html").read_text() == page.source
    assert [path.name for path in tmp_path.iterdir()] == ["again.html"]


def test_missing_tracks_and_flags_are_noted(tmp_path):
    content, results = random_vid(1)
    del content["annotations"][0]["instance_id"]
    page, _ = page_of(tmp_path, content, results)
    assert "1 objects have no track" in page.text
    assert "no 'occluded' flags" in page.text
    for annotation in content["annotations"]:
        annotation.pop("instance_id", None)
    content["annotations"][0]["occluded"] = 1
    page, _ = page_of(tmp_path, content, results)
    assert "no tracks (instance_id), so motion is unknown" in page.text
    assert "no tracks (instance_id), so this cannot be measured" in page.text
    assert "objects have no 'occluded' flag" in page.text
    assert len(page.row("coco AP50")) == 2  # all motions only


def test_no_detections(tmp_path):
    page, _ = page_of(tmp_path, random_vid(1)[0], [])
    assert page.row("coco AP50")[1].split()[0] == "0.0"
    assert "No track changes" in page.text


def test_no_objects(tmp_path):
    content, results = random_vid(1)
    page, data = page_of(tmp_path, {**content, "annotations": []}, results)
    assert page.row("coco AP50")[1].strip() == "-"
    assert page.row("background", after="kind")[3] == "-"
    assert len(data.confident) == 0


def test_many_classes(tmp_path):
    content, results = random_vid(2)
    content["categories"] += [{"id": number, "name": f"extra_{number}"} for number in range(10, 40)]
    page, _ = page_of(tmp_path, content, results)
    assert page.row("extra_39")[1] == "0"


def test_texts_are_escaped(tmp_path):
    content, results = random_vid(2)
    evil = "<script>alert('x')</script> & $a_b$ \"quoted\""
    content["categories"][0]["name"] = evil
    for image in content["images"]:
        image["file_name"] = f'<b>{image["video_id"]}</b>/x"y/{image["frame_id"]}.jpg'
    page, _ = page_of(tmp_path, content, results)
    assert not {"script", "b"} & set(page.tags)
    assert page.row(evil)[0] == evil
    assert '<b>7</b>/x"y' in page.text


def test_pictures_show_truth_and_detections(synthetic_root, tmp_path):
    tree = synthetic_root / "synthetic_vid"
    content = json.loads((tree / "coco_vid/imagenet_vid_val.json").read_text())
    page, data = page_of(tmp_path, content, made_up_detections(content), tree / "Data/VID")
    pictures = re.findall(r'href="data:image/jpeg;base64,', page.source)
    assert len(pictures) == 4 * len(content["videos"])
    labels = re.findall(r"<text [^>]*>([^<]*)</text>", page.source)
    names = {category["name"] for category in content["categories"]}
    assert {label.split()[0] for label in labels} <= names
    given = [label for label in labels if " " in label]
    assert 0 < len(given) < len(labels)
    assert all(float(label.split()[1]) >= round(data.point.threshold, 2) for label in given)
    assert "stroke-dasharray" in page.source  # an object that is not found


def test_pictures_of_video_files(tmp_path):
    with VideoWriter(tmp_path / "clips/a.mp4", 10) as writer:
        for _ in range(16):
            writer.write(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    content, results = random_vid(1, videos=1)
    content["videos"][0]["file_name"] = "clips/a.mp4"
    for image in content["images"]:
        del image["file_name"]
    page, _ = page_of(tmp_path, content, results, tmp_path)
    pictures = re.findall(r'href="data:image/jpeg;base64,', page.source)
    assert len(pictures) == min(len(content["images"]), 4)
    assert "clips/a.mp4" in page.text
    assert "videoframe" not in page.text


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Image .*nowhere/\d+ cannot be read: check --images"):
        page_of(tmp_path, *random_vid(1), tmp_path / "nowhere")
    assert not (tmp_path / "new/report.html").exists()
