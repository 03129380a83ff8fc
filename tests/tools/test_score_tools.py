"""The scripts that score detections, in processes of their own."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import PROJECT
from support.random_vid import random_vid

pytestmark = pytest.mark.slow


def run(tool: str, *words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, PROJECT / f"tools/{tool}.py", *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    paths = tmp_path / "gt.json", tmp_path / "found.json"
    for path, content in zip(paths, random_vid(6), strict=True):
        path.write_text(json.dumps(content))
    return paths


@pytest.mark.needs_shared
def test_golden_metrics(shared, tmp_path):
    case = shared / "parity/evaluation/case_2"
    output = tmp_path / "metrics.json"
    words = "--gt", case / "gt.json", "--detections", case / "detections.json", "--output", output
    done = run("evaluate_detections", *words)
    assert done.returncode == 0, done.stderr
    assert f"Wrote {output}" in done.stdout
    metrics = json.loads(output.read_text())
    expected = json.loads((case / "expected.json").read_text())
    categories = json.loads((case / "gt.json").read_text())["categories"]
    names = [category["name"] for category in categories]
    assert set(metrics) == {"coco", "ilsvrc", "mega"}
    assert metrics["coco"] == pytest.approx(expected["coco"], abs=1e-6)
    for scorer in ("ilsvrc", "mega"):
        assert set(metrics[scorer]) == {"all", "slow", "medium", "fast"}
        for motion, wanted in expected[scorer].items():
            found = metrics[scorer][motion]
            assert set(found) == {"AP50", "per_class"}
            assert found["AP50"] == pytest.approx(wanted["AP50"], abs=1e-9)
            per_class = dict(zip(names, wanted["per_class"], strict=True))
            assert found["per_class"] == pytest.approx(per_class, abs=1e-9)


def test_some_scorers_and_null_where_nothing_is_to_be_found(files, tmp_path):
    output = tmp_path / "metrics.json"
    words = "--gt", files[0], "--detections", files[1], "--scorer", "mega", "--output", output
    done = run("evaluate_detections", *words, "--draws", 0)
    assert done.returncode == 0, done.stderr
    assert "NaN" not in output.read_text()
    metrics = json.loads(output.read_text())
    assert set(metrics) == {"mega"}
    assert metrics["mega"]["all"]["per_class"]["class_9"] is None
    assert "coco" not in done.stdout


@pytest.mark.parametrize("tool", ["evaluate_detections", "compare_detections"])
def test_bad_detections_end_in_one_sentence(files, tool):
    gt, found = files
    results = json.loads(found.read_text())
    results[4]["image_id"] = 5000
    found.write_text(json.dumps(results))
    words = [found, found] if tool == "compare_detections" else ["--detections", found]
    done = run(tool, "--gt", gt, *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: {found}: detection 4 has image_id 5000, which is not in")


def test_two_files_are_compared(files, tmp_path):
    gt, found = files
    done = run("compare_detections", "--gt", gt, found, found, "--scorer", "ilsvrc")
    assert done.returncode == 0, done.stderr
    *rows, boxes = done.stdout.strip().splitlines()[2:]
    assert re.match(r"both files share (\d+) of \1 and \1 detections", boxes)
    assert len(rows) == 4
    defined = [row for row in rows if "| - " not in row]
    assert defined
    assert all("[+0.00, +0.00]" in row and "| no " in row for row in defined)


def test_the_benchmark_runs_on_a_small_share(tmp_path):
    done = run("benchmark_scorers", tmp_path, "--share", 0.0005, "--per-frame", 5, "--pycocotools")
    assert done.returncode == 0, done.stderr
    assert "88 frames, 5 detections each" in done.stdout
    assert re.search(r"^pycocotools: reading [\d.]+, coco [\d.]+, GB [\d.]+$", done.stdout, re.M)
