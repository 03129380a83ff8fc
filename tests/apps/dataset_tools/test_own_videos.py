"""datasets/README.md, "Your own videos in five minutes", command by command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from boxmask_vid.video import open_frames
from support.annotation_formats import write_videos, write_yolo
from support.paths import REPOSITORY

pytestmark = pytest.mark.slow


def commands() -> list[str]:
    text = (REPOSITORY / "datasets/README.md").read_text()
    section = text.split("## Your own videos in five minutes")[1].split("\n## ")[0]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)[1]
    return block.replace("\\\n", " ").strip().splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name in ("datasets", "projects", "configs"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "my/labels").mkdir(parents=True)
    write_yolo(folder / "my/labels")
    write_videos(folder / "my/videos")
    return folder


def test_every_command_works_as_it_stands(folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    lines = commands()
    assert len(lines) == 4
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr[-3000:]}"
    assert len(list((folder / "my/samples").glob("*.jpg"))) == 4
    assert open_frames(folder / "my/clip_a_detected.mp4").length == 4
