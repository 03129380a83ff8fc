"""Files at the top of the repository agree with each other."""

import re
import subprocess
import sys

import yaml

import boxmask_vid
from support.paths import REPOSITORY


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_yaml(name: str) -> dict:
    return yaml.safe_load((REPOSITORY / name).read_text())


def test_the_version_is_read_without_importing_the_package():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['boxmask_vid'] = None; "
        "sys.argv = ['setup.py', '--version']; exec(open('setup.py').read())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == boxmask_vid.__version__


def test_the_changelog_begins_with_the_version():
    versions = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == boxmask_vid.__version__
    assert versions[-1] == "0.1.0"


def test_everything_that_tests_need_is_pinned():
    setup = (REPOSITORY / "setup.py").read_text()
    extras = re.search(r'"test": \[(.*?)\]', setup, re.DOTALL)[1]
    pins = re.findall(r"^([\w.-]+)==", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    needed = {normalised(name) for name in re.findall(r'"([\w-]+)"', extras)}
    assert {"mypy", "pre-commit", "pytest", "ruff"} <= needed
    assert needed <= set(map(normalised, pins))


def test_hooks_do_what_make_lint_does_and_need_no_network():
    repositories = read_yaml(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert all(hook["language"] == "system" for hook in hooks)
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.M)[1]
    in_make = re.findall(r"-m (ruff \w+|mypy)", lint)
    assert in_make == [re.search(r"-m (ruff \w+|mypy)", hook["entry"])[1] for hook in hooks]


def test_the_three_papers_can_be_cited():
    citation = read_yaml("CITATION.cff")
    urls = [paper["url"] for paper in citation["references"]]
    assert [url.rsplit("/", 1)[1] for url in urls] == ["1907.06390", "2109.03495", "2210.06008"]
    assert all(paper["authors"] for paper in citation["references"])


def test_the_workflow_runs_the_same_script_as_everywhere():
    steps = read_yaml(".github/workflows/ci.yml")["jobs"]["test"]["steps"]
    assert steps[-1]["run"] == "bash .ci/run"
    assert steps[1]["with"]["python-version"] == "3.11"
