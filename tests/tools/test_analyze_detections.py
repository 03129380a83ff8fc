import json
import runpy
import sys

import pytest

from support.paths import PROJECT
from support.random_vid import random_vid

TOOL = str(PROJECT / "tools/analyze_detections.py")


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", [TOOL, *map(str, words)])
    runpy.run_path(TOOL, run_name="__main__")


def test_a_report_is_written(tmp_path, monkeypatch, capsys):
    paths = tmp_path / "gt.json", tmp_path / "det.json"
    for path, content in zip(paths, random_vid(4), strict=True):
        path.write_text(json.dumps(content))
    output = tmp_path / "report.html"
    run(monkeypatch, "--gt", paths[0], "--detections", paths[1], "--output", output)
    assert capsys.readouterr().out == f"Wrote {output}\n"
    assert output.read_text().startswith("<!DOCTYPE html>")


def test_bad_input_gets_one_sentence(tmp_path, monkeypatch):
    words = ["--gt", tmp_path / "none.json", "--detections", "x", "--output", tmp_path / "report"]
    with pytest.raises(SystemExit, match=r"Annotation file .*none\.json"):
        run(monkeypatch, *words)
