import json
import runpy
import sys
from pathlib import Path

import pytest

from support.paths import PROJECT
from support.random_vid import random_vid

TOOL = str(PROJECT / "tools/link_detections.py")


@pytest.fixture
def files(tmp_path):
    """Paths of ground truth and detections."""
    paths = tmp_path / "gt.json", tmp_path / "det.json"
    for path, content in zip(paths, random_vid(4, videos=4), strict=True):
        path.write_text(json.dumps(content))
    return tuple(map(str, paths))


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", [TOOL, *map(str, words)])
    runpy.run_path(TOOL, run_name="__main__")


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "seq_nms"],
        ["--method", "seq_nms", "--rescoring", "max"],
        ["--method", "repp"],
        ["--method", "repp", "--smoothing", "0", "--learn-from", "GT"],
    ],
)
def test_scores_before_and_after_are_shown(files, tmp_path, monkeypatch, capsys, options):
    truth, detections = files
    options = [truth if option == "GT" else option for option in options]
    output = tmp_path / "new/linked.json"
    run(monkeypatch, "--gt", truth, "--detections", detections, "--output", output, *options)
    shown = capsys.readouterr().out
    for name in ("coco AP50", "ilsvrc AP50", "mega AP50"):
        assert name in shown
    assert str(output) in shown
    assert ("Learned" in shown) == ("--learn-from" in options)
    before = json.loads((tmp_path / "det.json").read_text())
    after = json.loads(output.read_text())
    assert set(after[0]) == set(before[0])
    old, new = (sorted(result["score"] for result in results) for results in (before, after))
    assert old != new


def test_bad_input_gets_one_sentence(files, tmp_path, monkeypatch):
    missing = tmp_path / "none.json"
    words = ["--gt", files[0], "--output", tmp_path / "out.json", "--method", "repp"]
    with pytest.raises(SystemExit, match=r"File of detections .*none\.json not found"):
        run(monkeypatch, "--detections", missing, *words)


def test_the_output_is_no_input(files, monkeypatch):
    words = ["--gt", files[0], "--detections", files[1], "--method", "repp"]
    for file in files:
        with pytest.raises(SystemExit, match="would be written over the input"):
            run(monkeypatch, *words, "--output", file)
    assert json.loads(Path(files[1]).read_text())
