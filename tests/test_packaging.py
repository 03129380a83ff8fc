"""What ``pip install .`` brings, in a place of its own."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import boxmask_vid
from boxmask_vid.video import VideoFile, VideoWriter
from support.paths import CONFIGS, PROJECT, REPOSITORY
from support.small import SMALLEST, small_model


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the sources, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if name.startswith(("configs/", "projects/", "setup.py", "README.md", "LICENSE")):
            target = folder / "sources" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((REPOSITORY / name).read_bytes())
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(folder / "sources")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("boxmask_vid-*.whl")
    return built


def test_the_wheel_holds_all_modules_and_all_configs_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {str(path.relative_to(PROJECT)) for path in PROJECT.glob("boxmask_vid/**/*.py")}
    configs = {
        f"boxmask_vid/configs/{path.relative_to(CONFIGS)}" for path in CONFIGS.rglob("*.yaml")
    }
    apps = PROJECT / "boxmask_vid/apps"
    pages = [*apps.glob("video_demo/page/*"), *apps.glob("report/templates/*")]
    assert len(pages) == 3 + 2
    assert names == modules | configs | {str(path.relative_to(PROJECT)) for path in pages}
    assert not any(name.endswith("top_level.txt") and "tools" in name for name in names)


@pytest.mark.slow
def test_the_installed_package_finds_its_configs_and_registers_its_parts(wheel, tmp_path):
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", target, wheel], capture_output=True, check=True)
    code = f"""
import sys
sys.path = [path for path in sys.path if "BoxMaskVID" not in path]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path.insert(0, {str(target)!r})
import boxmask_vid
from boxmask_vid.engine import build_cfg
from detectron2.modeling import META_ARCH_REGISTRY
print(boxmask_vid.__file__)
path = boxmask_vid.get_config_file("ImageNetVID/boxmask_selsa_troi_R_50_DC5_7e.yaml")
print(path)
print(build_cfg(path).MODEL.META_ARCHITECTURE in META_ARCH_REGISTRY)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    package, config, registered = done.stdout.splitlines()[-3:]
    assert package.startswith(str(target))
    assert config.startswith(str(target))
    assert registered == "True"


@pytest.mark.slow
def test_the_installed_command_detects_without_the_repository(wheel, tmp_path):
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", target, wheel], capture_output=True, check=True)
    with VideoWriter(tmp_path / "video.mp4", 10) as video:
        for _ in range(3):
            video.write(np.zeros((61, 93, 3), np.uint8))
    torch.save({"model": small_model("boxmask").state_dict()}, tmp_path / "model.pth")
    config = target / "boxmask_vid/configs/SyntheticVID/boxmask_selsa_troi_thin_R_50_DC5.yaml"
    done = subprocess.run(
        [
            *(target / "bin/boxmask-vid", "detect", "video.mp4", "--config-file", config),
            *("--opts", *SMALLEST, "MODEL.WEIGHTS", "model.pth", "MODEL.DEVICE", "cpu"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"video\.mp4: 3 frames, \d+ detections -> video_detected\.mp4", done.stdout)
    assert "Warning" not in done.stderr
    with VideoFile(tmp_path / "video_detected.mp4") as written:
        assert len(written) == 3


def test_the_wheel_has_the_version_of_the_package(wheel):
    assert wheel.name.startswith(f"boxmask_vid-{boxmask_vid.__version__}-")
