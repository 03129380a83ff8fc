"""The example with onnxruntime of docs/DETECT.md finds what demo.py finds."""

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from boxmask_vid.apps.dataset_tools.synthetic import Scene, render_video
from boxmask_vid.apps.export.command import export_model
from boxmask_vid.apps.video_demo import demo
from boxmask_vid.engine import build_cfg
from boxmask_vid.references.adaptive import evenly_spread
from boxmask_vid.video import VideoFile, VideoWriter
from support.paths import PROJECT
from support.small import CONFIG, SMALLEST, small_model

TOLERANCE = 0.01  # pixels, and of the score

OPTIONS = [*SMALLEST, "INPUT.MIN_SIZE_TEST", "75", "INPUT.MAX_SIZE_TEST", "109"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """A folder with ``exported`` and the weights."""
    folder = tmp_path_factory.mktemp("onnx")
    torch.save({"model": small_model("boxmask").state_dict()}, folder / "model.pth")
    cfg = build_cfg(CONFIG, [*OPTIONS, "MODEL.WEIGHTS", str(folder / "model.pth")])
    export_model(cfg, folder / "exported", formats=["onnx"])
    return folder


def turn(path: Path) -> None:
    """Write into an mp4 file that it is shown turned by 90 degrees, as telephones do."""
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd") + 4
    assert content[header] == 0  # version, which has the matrix 40 bytes further on
    matrix = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", content, header + 40, *matrix)
    path.write_bytes(content)


VIDEOS = {
    "odd": (5, (97, 61)),
    "turned": (6, (97, 61)),
    "long": (50, (96, 64)),
    "single": (1, (96, 64)),
    "short": (2, (64, 97)),
    "panorama": (5, (200, 32)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", VIDEOS)
def test_the_example_of_the_page_finds_what_the_demo_finds(exported, tmp_path, monkeypatch, kind):
    count, size = VIDEOS[kind]
    path = tmp_path / "video.mp4"
    with VideoWriter(path, 10) as writer:
        for frame, _ in render_video(Scene(count, 0.5), (0, 2)):
            writer.write(cv2.resize(frame, size))
    if kind == "turned":
        turn(path)
    with VideoFile(path) as video:
        assert video[0].shape[:2] == (size if kind == "turned" else size[::-1])
        assert len(video) == count

    words = ["--config-file", CONFIG, "--input", str(path), "--output", str(tmp_path / "out.mp4")]
    words += ["--jsonl", str(tmp_path / "out.jsonl"), "--threshold", "0"]
    words += ["--opts", *OPTIONS, "MODEL.WEIGHTS", str(exported / "model.pth")]
    demo.run(demo.argument_parser().parse_args(words))
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]

    (tmp_path / "exported").symlink_to(exported / "exported")
    monkeypatch.chdir(tmp_path)
    page = (PROJECT / "docs/DETECT.md").read_text()
    example = page.split("## Export")[1].split("```python\n")[1].split("```")[0]
    found = []
    exec(example, {"print": lambda *values: found.append(values)})

    assert len(found) == len(records) == count
    assert sum(len(scores) for _, _, scores in found) > 5 * count
    for (boxes, names, scores), record in zip(found, records, strict=True):
        expected = record["detections"]
        assert len(expected) == len(scores)
        for box, name, score in zip(boxes, names, scores, strict=True):
            assert any(
                np.abs(np.subtract(row["box"], box)).max() < TOLERANCE
                and abs(row["score"] - score) < TOLERANCE
                and row["class"] == name
                for row in expected
            )


def test_model_json_says_how_sizes_are_rounded_and_which_frames_are_references(exported):
    described = json.loads((exported / "exported/model.json").read_text())
    assert "int(side * scale + 0.5)" in described["image"]["size"]
    assert "rotation" in described["image"]["orientation"]
    formula = described["reference_frames"].split(": ")[1].split(" for i")[0]
    for n in (1, 2, 5, 50, 333):
        for references in (2, 4, 14):
            values = {"n": n, "references": references}
            frames = [eval(formula, {**values, "i": i}) for i in range(references)]
            assert frames == evenly_spread(n, references)
