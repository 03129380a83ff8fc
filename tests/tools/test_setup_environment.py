"""The set-up script without the downloads: all its own decisions."""

import csv
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest
from packaging.requirements import Requirement

from support.paths import PROJECT
from support.pythons import find_python

SCRIPT = PROJECT / "tools/setup_environment.py"
spec = importlib.util.spec_from_file_location("setup_environment", SCRIPT)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def run(*args: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, args)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def empty_env(tmp_path_factory):
    """An environment with pip and nothing else."""
    env = tmp_path_factory.mktemp("env") / "env"
    venv.create(env, with_pip=True)
    return env


def need_no_disk(env) -> None:
    """As if PyTorch, the large part, were installed: a disk without 9 GiB is no matter then."""
    packages = env / f"lib/python{tool.dotted(sys.version_info[:2])}/site-packages/torch"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "version.py").touch()


def install_fake(env, name: str, version: str, code: str = "") -> None:
    (packages,) = env.glob("lib/python*/site-packages")
    info = packages / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (packages / name).mkdir()
    (packages / name / "__init__.py").write_text(code)


@pytest.mark.slow
def test_a_finished_environment_is_recognised_and_a_changed_pin_is_not(
    empty_env, tmp_path, monkeypatch
):
    env = tmp_path / "env"
    shutil.copytree(empty_env, env, symlinks=True)
    (env / "boxmask_vid_setup.json").write_text(tool.fingerprint(env))
    done = run("--env", env)
    assert done.returncode == 0
    assert done.stdout.strip() == f"setup: {env} is ready"
    pins = tmp_path / "constraints.txt"
    pins.write_text(tool.CONSTRAINTS.read_text() + "# changed\n")
    before = tool.fingerprint(env)
    monkeypatch.setattr(tool, "CONSTRAINTS", pins)
    assert tool.fingerprint(env) != before


def test_an_old_python_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "OLDEST_PYTHON", (3, 99))
    with pytest.raises(
        tool.SetupError, match=r"Python 3\.99 or newer is needed, .* is Python 3\.\d+: install"
    ):
        tool.set_up(tmp_path / "env")


def test_old_pythons_of_this_machine_reach_the_sentence_that_refuses_them(tmp_path):
    """They evaluate annotations such as ``str | None``, which they do not have."""
    for version in ("3.6", "3.7", "3.8", "3.9"):
        python = find_python(version)
        if python is None:
            continue
        command = [python, SCRIPT, "--env", tmp_path / "env"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        (line,) = done.stderr.splitlines()
        assert line.startswith(
            f"setup: Python 3.10 or newer is needed, {python} is Python {version}"
        )


def test_a_newer_python_is_tried_with_a_word(monkeypatch, tmp_path, capsys):
    tool.check_python(tmp_path / "env")
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(tool, "NEWEST_TESTED_PYTHON", (3, 10))
    tool.check_python(tmp_path / "env")
    assert (
        "is newer than those that were tested (3.10 to 3.10); trying it" in capsys.readouterr().out
    )


def test_a_python_without_venv(tmp_path):
    (tmp_path / "venv.py").write_text("raise ModuleNotFoundError(\"No module named 'venv'\")\n")
    need_no_disk(tmp_path / "env")
    done = run("--env", tmp_path / "env", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "No module named 'venv'" in line
    version = tool.dotted(sys.version_info[:2])
    assert line.endswith(f"(on Debian and Ubuntu: 'apt install python{version}-venv').")


def test_each_python_has_one_pin_of_a_package():
    requirements = [
        Requirement(line)
        for line in tool.CONSTRAINTS.read_text().splitlines()
        if line and not line.startswith("#")
    ]
    for version in ("3.10", "3.11", "3.12", "3.13", "3.14"):
        place = {"python_version": version, "platform_machine": "x86_64"}
        names = [
            tool.normalised(requirement.name)
            for requirement in requirements
            if requirement.marker is None or requirement.marker.evaluate(place)
        ]
        assert len(names) == len(set(names))
        assert {"numpy", "torch", "pillow", "av", "matplotlib", "onnxruntime"} <= set(names)


def test_too_little_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "NEEDED_GIB", 10**9)
    with pytest.raises(tool.SetupError, match=r"of disk are needed, .* GiB free: make room"):
        tool.set_up(tmp_path / "env")
    assert not (tmp_path / "env").exists()


@pytest.mark.slow
def test_no_network_is_one_sentence_and_no_stamp_is_left(empty_env, tmp_path):
    nowhere = "http://127.0.0.1:9/simple"
    env = tmp_path / "env"
    shutil.copytree(empty_env, env, symlinks=True)
    need_no_disk(env)
    done = run(
        *("--env", env),
        PIP_INDEX_URL=nowhere,
        PIP_EXTRA_INDEX_URL="",
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
        PIP_RETRIES="1",
        PIP_NO_CACHE_DIR="1",
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("setup: installing the build tools failed: no package index")
    assert "run the same command again and it continues" in last
    assert "Traceback" not in done.stderr
    assert not (env / "boxmask_vid_setup.json").exists()


def test_failures_of_pip_are_distinguished():
    assert "disk is full" in tool.pip_failure(["OSError: [Errno 28] No space left on device"])
    refused = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"
    assert refused in tool.pip_failure(["note", refused])


@pytest.mark.slow
def test_an_environment_that_was_half_made_is_completed(tmp_path):
    env = tmp_path / "env"
    venv.create(env, with_pip=False)  # as after an interruption before pip was there
    python = tool.make_environment(env)
    assert "pip" in tool.output_of(python, "import pip; print(pip.__name__)")


def test_a_wheel_that_was_half_written_is_not_taken_for_whole(tmp_path, monkeypatch):
    (tmp_path / tool.WHEEL_NAME).with_suffix(".part").write_text("half")
    upstream = tmp_path / "sal_detectron2-0.7.2-cp310-cp310-linux_x86_64.whl"
    make_upstream_wheel(upstream)
    monkeypatch.setattr(tool, "pip", lambda *args, **kwargs: None)  # it is downloaded already
    wheel = tool.detectron2_wheel(tmp_path / "python", tmp_path)
    assert zipfile.is_zipfile(wheel)
    assert tool.UPSTREAM_SHA256 in (tmp_path / "upstream.txt").read_text()


def make_upstream_wheel(path) -> None:
    info = "sal_detectron2-0.7.2.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("detectron2/__init__.py", "x = 1\n")
        wheel.writestr("detectron2/_C.cpython-310-x86_64-linux-gnu.so", b"\x7fELF")
        wheel.writestr("tools/__init__.py", "")
        wheel.writestr(f"{info}/LICENSE", "Apache")
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: sal-detectron2\nVersion: 0.7.2\n"
            "Requires-Dist: tqdm\nRequires-Dist: numpy<2\n\nText: stays",
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.mark.slow
def test_rewrapped_wheel_is_an_ordinary_one(tmp_path, empty_env):
    upstream, wheel = tmp_path / "up.whl", tmp_path / tool.WHEEL_NAME
    make_upstream_wheel(upstream)
    tool.rewrap(upstream, wheel)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"detectron2-{tool.WHEEL_VERSION}.dist-info"
        assert names == {
            "detectron2/__init__.py",
            *(f"{info}/{file}" for file in ("LICENSE", "METADATA", "WHEEL", "RECORD")),
        }
        metadata = archive.read(f"{info}/METADATA").decode()
        record = list(csv.reader(io.StringIO(archive.read(f"{info}/RECORD").decode())))
    assert "Name: detectron2\n" in metadata
    assert "Requires-Dist: tqdm\nRequires-Dist: numpy\n" in metadata
    assert all(f"Requires-Dist: {needed}" in metadata for needed in tool.EXTRA_REQUIREMENTS)
    assert metadata.endswith("\n\nText: stays")
    assert {row[0] for row in record} == names
    python = empty_env / "bin/python"
    command = [python, "-m", "pip", "install", "--no-index", "--no-deps", wheel]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    assert tool.installed_version(python, "detectron2") == tool.WHEEL_VERSION


@pytest.mark.slow
def test_an_official_detectron2_keeps_its_packages(tmp_path, empty_env, monkeypatch):
    env = tmp_path / "env"
    shutil.copytree(empty_env, env, symlinks=True)
    for package in tmp_path.glob("env/lib/python*/site-packages/detectron2*"):
        shutil.rmtree(package)
    install_fake(env, "detectron2", "0.6")
    install_fake(env, "torch", "2.3.0")
    calls = []
    monkeypatch.setattr(tool, "NEEDED_GIB", 0)
    monkeypatch.setattr(tool, "pip", lambda *args, **kwargs: calls.append(list(map(str, args))))
    monkeypatch.setattr(tool, "check_imports", lambda python: None)
    tool.set_up(env)
    install = next(call for call in calls if "-e" in call)
    assert not any("sal" in word or word.endswith(".whl") for word in install)
    pins = (env / "constraints_for_missing.txt").read_text()
    assert "\ntorch==" not in f"\n{pins}"
    assert "torchvision==" in pins
    assert json.loads((env / "boxmask_vid_setup.json").read_text())["repository"]
