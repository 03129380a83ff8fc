"""Every script: its help, and that it executes nothing in files that it is given."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from support.forked_training import Done, in_fork
from support.paths import REPOSITORY
from support.small import CONFIG, KINDS, SMALLEST, small_model
from support.traps import config_with_a_trap, write_traps

FOLDERS = "projects/BoxMaskVID", "projects/BoxMaskVID/tools", "datasets"
SCRIPTS = sorted(path for name in FOLDERS for path in (REPOSITORY / name).glob("*.py"))
OPTS = [*SMALLEST, *KINDS["selsa"]]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("columns", ["40", "120"])
def test_every_script_explains_itself(script, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "argv", [script.name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.fixture(scope="module")
def frames(synthetic_root) -> Path:
    """Images of a video."""
    return sorted((synthetic_root / "synthetic_vid/Data/VID/val").iterdir())[0]


def run(script: str, words: list, output: Path) -> Done:
    path = REPOSITORY / script

    def command() -> None:
        sys.argv = [path.name, *map(str, words)]
        runpy.run_path(str(path), run_name="__main__")

    return in_fork(command, output)


def commands(frames: Path, output: Path, config: Path | str, weights: Path) -> dict[str, tuple]:
    """Commands that read a config and weights."""
    project = "projects/BoxMaskVID/"
    model = ["--config-file", config]
    opts = ["--opts", *OPTS, "MODEL.WEIGHTS", weights]
    keys = ["OUTPUT_DIR", output, *OPTS, "MODEL.WEIGHTS", weights]
    keys += ["DATASETS.TRAIN", "('small_vid_train',)", "DATASETS.TEST", "('small_vid_val',)"]
    detect = [*model, "--input", frames, "--output", output / "a.mp4", *opts]
    return {
        "training": (f"{project}train_net.py", [*model, *keys]),
        "evaluation": (f"{project}train_net.py", [*model, "--eval-only", *keys]),
        "resume": (f"{project}train_net.py", [*model, "--resume", *keys]),
        "demo": (f"{project}demo.py", detect),
        "export": (f"{project}tools/export_model.py", [*model, "--output", output, *opts]),
        "conversion": (
            f"{project}tools/convert_checkpoint.py",
            [weights, output / "out.pth", *model],
        ),
    }


NAMES = ("training", "evaluation", "resume", "demo", "export", "conversion")


@pytest.mark.slow
@pytest.mark.usefixtures("synthetic_datasets")
@pytest.mark.parametrize("ending", [".pth", ".pkl"])
@pytest.mark.parametrize("name", NAMES)
def test_no_command_executes_what_is_in_weights(tmp_path, frames, name, ending):
    sprung, output = tmp_path / "sprung", tmp_path / "output"
    new, *_, pickled = write_traps(tmp_path, ending, sprung)
    weights = pickled if ending == ".pkl" else new  # test_reading.py has all the others
    script, words = commands(frames, output, CONFIG, weights)[name]
    done = run(script, words, output)
    assert not sprung.exists()
    assert done.code == 1
    assert "would have to be executed" in done.sentence
    assert "Traceback" not in done.screen


@pytest.mark.slow
@pytest.mark.usefixtures("synthetic_datasets")
def test_a_resume_executes_nothing_in_the_folder(tmp_path, frames):
    sprung, output = tmp_path / "sprung", tmp_path / "output"
    output.mkdir()
    write_traps(output, ".pth", sprung)
    write_traps(output, ".pkl", sprung)
    (output / "last_checkpoint").write_text("old.pkl")
    (output / "config.yaml").write_text(
        f"SEED: !!python/object/apply:builtins.exec [\"open({str(sprung)!r}, 'w')\"]\n"
    )
    script, words = commands(frames, output, CONFIG, tmp_path / "none.pth")["resume"]
    done = run(script, words, output)
    assert not sprung.exists()
    assert done.sentence.startswith("error: ")
    assert "Traceback" not in done.screen


@pytest.mark.slow
@pytest.mark.usefixtures("synthetic_datasets")
@pytest.mark.parametrize("name", NAMES)
def test_no_command_executes_what_is_in_a_config(tmp_path, frames, name):
    sprung, output = tmp_path / "sprung", tmp_path / "output"
    trap = config_with_a_trap(tmp_path / "trap.yaml", CONFIG, sprung)
    child = tmp_path / "child.yaml"
    child.write_text(f"_BASE_: {trap}\n")
    for config in (trap, child):
        script, words = commands(frames, output, config, tmp_path / "w.pth")[name]
        done = run(script, words, output)
        assert not sprung.exists()
        assert done.code == 1
        assert "has a value that would have to be executed" in done.sentence
        assert "Traceback" not in done.screen


@pytest.mark.slow
def test_other_commands_execute_nothing_in_a_config(tmp_path, synthetic_root):
    sprung, output = tmp_path / "sprung", tmp_path / "output"
    trap = config_with_a_trap(tmp_path / "trap.yaml", CONFIG, sprung)
    tree = synthetic_root / "synthetic_vid"
    json_file = tree / "coco_vid/imagenet_vid_val.json"
    drawing = [json_file, "--images", tree / "Data/VID", "--draw", 1, "--output", output]
    for script, words in (
        ("projects/BoxMaskVID/tools/benchmark.py", ["--config-file", trap]),
        ("datasets/check_vid_json.py", [*drawing, "--config-file", trap]),
    ):
        done = run(script, words, output)
        assert not sprung.exists()
        assert done.code == 1
        assert "would have to be executed" in done.screen


WEIGHTS = {
    "empty": (b"", "is empty"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d", "pointer of git-lfs"),
    "HTML": (b"<!doctype html><html></html>", "is a web page"),
    "cut off": (None, "is cut off after"),
}


@pytest.mark.slow
@pytest.mark.usefixtures("synthetic_datasets")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "resume"])
def test_each_command_names_what_is_no_checkpoint(tmp_path, frames, name):
    output, weights = tmp_path / "output", tmp_path / "weights.pth"
    torch.save({"model": small_model("selsa").state_dict()}, weights)
    whole = weights.read_bytes()
    for content, sentence in WEIGHTS.values():
        weights.write_bytes(whole[:-5000] if content is None else content)
        script, words = commands(frames, output, CONFIG, weights)[name]
        done = run(script, words, output)
        assert done.code == 1
        assert sentence in done.sentence, done.screen
        assert "Traceback" not in done.screen
