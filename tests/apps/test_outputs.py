"""No command writes over what it reads."""

import json
from pathlib import Path

import pytest

from boxmask_vid.apps import convert_checkpoint, score
from boxmask_vid.apps.report import command as report
from boxmask_vid.errors import InputError
from support.random_vid import random_vid
from support.small import CONFIG


@pytest.mark.parametrize("command", [score, report], ids=["score", "report"])
def test_files_of_detections_and_of_ground_truth_stay(command, tmp_path):
    paths = tmp_path / "gt.json", tmp_path / "det.json"
    for path, content in zip(paths, random_vid(4, videos=1), strict=True):
        path.write_text(json.dumps(content))
    words = ["--gt", str(paths[0]), "--detections", str(paths[1])]
    for path in paths:
        before = path.read_bytes()
        args = command.argument_parser().parse_args([*words, "--output", str(path)])
        with pytest.raises(InputError, match=r"--output .* would be written over the input"):
            command.run(args)
        assert path.read_bytes() == before


def test_a_checkpoint_that_is_converted_stays(tmp_path):
    (tmp_path / "link.pth").symlink_to(Path("original.pth"))
    words = [str(tmp_path / name) for name in ("original.pth", "link.pth")]
    args = convert_checkpoint.argument_parser().parse_args([*words, "--config-file", CONFIG])
    with pytest.raises(InputError, match=r"OUT\.pth .* would be written over the input"):
        convert_checkpoint.run(args)
