"""The command boxmask-vid, and the scripts that are its sub-commands."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import boxmask_vid
from boxmask_vid import cli
from support.paths import PROJECT, REPOSITORY

BOXMASK_VID = [sys.executable, "-m", "boxmask_vid.cli"]
WIDTH, SCREEN = 80, 40  # columns and lines


def printed(monkeypatch, capsys, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", [cli.PROGRAM, *words])
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    with suppress(SystemExit):  # --help ends so; an error would be seen below
        cli.main()
    captured = capsys.readouterr()
    assert not captured.err
    return captured.out


def test_the_overview_names_every_command(monkeypatch, capsys):
    text = printed(monkeypatch, capsys, "--help")
    assert len(text.splitlines()) <= SCREEN
    assert max(map(len, text.splitlines())) <= WIDTH
    for name, command in cli.SUBCOMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", text, re.MULTILINE)
    assert printed(monkeypatch, capsys, "--version").strip() == boxmask_vid.__version__


@pytest.mark.parametrize("name", cli.SUBCOMMANDS)
def test_help_fits_a_screen_and_has_an_example_that_can_be_typed(name, monkeypatch, capsys):
    text = printed(monkeypatch, capsys, name, "--help")
    lines = text.splitlines()
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= WIDTH
    example = f"example: boxmask-vid {name} {cli.SUBCOMMANDS[name].example}"
    assert example in " ".join(text.split())
    module = importlib.import_module(f"boxmask_vid.{cli.SUBCOMMANDS[name].module}")
    assert module.argument_parser().parse_args(shlex.split(cli.SUBCOMMANDS[name].example))


def test_help_of_evaluate_is_not_that_of_trainings(monkeypatch, capsys):
    text = printed(monkeypatch, capsys, "evaluate", "--help")
    assert "--detections JSON" in text
    assert "--resume" in text
    assert not {"--eval-only", "DefaultTrainer.resume_or_load()`"} & set(text.split())


def test_a_wrong_command(monkeypatch, capsys):
    for words in ([], ["detekt", "a.mp4"]):
        monkeypatch.setattr(sys, "argv", [cli.PROGRAM, *words])
        with pytest.raises(SystemExit, match="2"):
            cli.main()
        error = capsys.readouterr().err
        assert "usage: boxmask-vid COMMAND" in error
        assert all(word in error for word in (*cli.SUBCOMMANDS, *words[:1]))


def test_every_script_of_a_command_is_that_command():
    scripts = {}
    for folder in (PROJECT, PROJECT / "tools", REPOSITORY / "datasets"):
        for path in folder.glob("*.py"):
            if match := re.search(r"run_script\(\"(.+)\"\)", path.read_text()):
                scripts[match[1]] = path
    # evaluate is train_net.py --eval-only, serve is demo.py --serve; models came with the command
    assert set(cli.SUBCOMMANDS) - set(scripts) == {"evaluate", "serve", "models"}
    assert set(scripts) <= set(cli.SUBCOMMANDS)


def test_the_status_and_the_sentence_of_a_command(tmp_path: Path):
    broken = tmp_path / "broken.json"
    broken.write_text('{"images": []}')
    done = subprocess.run(
        [*BOXMASK_VID, "check", str(broken)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert not done.stderr
    done = subprocess.run(
        [*BOXMASK_VID, "check", f"{tmp_path}/no.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_models_are_listed_and_shown(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path))
    text = printed(monkeypatch, capsys, "models")
    assert re.search(r"^selsa_troi_R_50_DC5_7e +79\.8$", text, re.MULTILINE)
    assert text.count("https://") == 6
    text = printed(monkeypatch, capsys, "models", "selsa_troi_R_50")
    assert "WEIGHTS: boxmask_vid://selsa_troi_R_50_DC5_7e" in text
    text = printed(monkeypatch, capsys, "models", "boxmask_selsa_troi_R_50")
    assert "WEIGHTS: ''" in text


def test_import_is_quick_and_quiet():
    """Without PyTorch's compiler, which takes two fifths of the time."""
    code = "import boxmask_vid, sys; print('torch._dynamo' in sys.modules)"
    code += "; from torchvision.ops.roi_align import is_compile_supported as supported"
    code += "; print(supported('cpu'), 'torch._dynamo' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "True"]
    assert not done.stderr


def test_a_detectron2_that_is_older_than_pillow(tmp_path):
    package = tmp_path / "detectron2"
    package.mkdir()
    (package / "__init__.py").write_text("from PIL import Image\nImage.LINEAR\n")  # as in 2021
    done = subprocess.run(
        [sys.executable, "-c", "import boxmask_vid"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{PROJECT}"},
    )
    assert done.stderr.splitlines()[-1] == (
        "ImportError: This Detectron2 needs an older Pillow (module 'PIL.Image' has no attribute "
        "'LINEAR'): pip install 'pillow<10', or a newer Detectron2, see docs/INSTALL.md."
    )


def cpu_seconds_of(statement: str) -> float:
    code = f"{statement}; import time; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
def test_import_takes_little_more_than_that_of_pytorch():
    """1.4 times as long was measured, 2.0 s; with PyTorch's compiler 2.1 times."""
    rounds = [
        (cpu_seconds_of("import boxmask_vid"), cpu_seconds_of("import torch")) for _ in range(3)
    ]
    ours, pytorchs = (min(seconds) for seconds in zip(*rounds, strict=True))
    assert ours < 1.7 * pytorchs
