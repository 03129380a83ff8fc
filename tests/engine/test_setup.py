"""Old config files and options get a sentence with the new name."""

import functools
import re

import pytest
import torch

from boxmask_vid.config import RENAMED_KEYS, RENAMED_VALUES
from boxmask_vid.engine import build_cfg
from boxmask_vid.errors import InputError
from support.small import CONFIG, small_cfg

KEYS = [
    (old, "any", f"{old} was renamed to {new}; correct it there.")
    for old, new in RENAMED_KEYS.items()
]
VALUES = [
    (key, old, f"{key} {old} was replaced by {new}; correct it there.")
    for (key, old), new in RENAMED_VALUES.items()
]


@pytest.mark.parametrize(("key", "value", "sentence"), [*KEYS, *VALUES])
def test_a_renamed_key_or_value_gets_its_new_name(tmp_path, key, value, sentence):
    with pytest.raises(InputError, match=re.escape(f"In the command line: {sentence}")):
        build_cfg(CONFIG, [key, value])
    *parents, name = key.split(".")
    text = f"_BASE_: {CONFIG}\n"
    for depth, parent in enumerate(parents):
        text += f"{'  ' * depth}{parent}:\n"
    old = tmp_path / "config.yaml"
    old.write_text(f"{text}{'  ' * len(parents)}{name}: {value}\n")
    with pytest.raises(InputError, match=re.escape(f"In {old}: {sentence}")):
        build_cfg(str(old))


@pytest.mark.parametrize("key", [*RENAMED_KEYS.values(), *(key for key, _ in RENAMED_VALUES)])
def test_the_new_key_exists(key):
    functools.reduce(getattr, key.split("."), small_cfg())


OPTIONS = {
    "whole number": (["SOLVER.BASE_LR", "100"], r"SOLVER\.BASE_LR is 100, .*: write 100\.0\."),
    "one name": (["DATASETS.TEST", "('a')"], r"DATASETS\.TEST is a, .*: write \"\('a',\)\"\."),
    "name alone": (["DATASETS.TEST", "a"], r"write \"\('a',\)\"\."),
    "one step": (["SOLVER.STEPS", "500"], r"write \"\(500,\)\"\."),
    "no bool": (["SOLVER.AMP.ENABLED", "yes"], r"write True or False\."),
    "number as name": (["OUTPUT_DIR", "3"], r"write \"'3'\"\."),
    "option behind the keys": (
        ["SOLVER.MAX_ITER", "5", "--resume"],
        r"--resume stands behind the first KEY VALUE pair \(SOLVER\.MAX_ITER \.\.\.\)",
    ),
    "equals sign": (
        ["SOLVER.MAX_ITER=3", "SOLVER.BASE_LR=0.1"],
        r"SOLVER\.MAX_ITER=3 has an equals sign: write SOLVER\.MAX_ITER 3\.",
    ),
    "group of keys": (["SOLVER", "3"], r"SOLVER is a group of keys: write one of them"),
    "no value": (["SOLVER.MAX_ITER"], r"write a value after each key"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_with_a_slip_say_what_to_write(name):
    opts, sentence = OPTIONS[name]
    with pytest.raises(InputError, match=sentence):
        build_cfg(CONFIG, opts)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("MODEL:\n", r"In \S+: "),
        ("hello", "has no keys, but 'hello'"),
        ("{", "is not YAML"),
        ("a: [" * 3000, "is not YAML"),
        ("\x00", "is not YAML"),
        ("MODEL: !!python/object/apply:os.system [ls]", "would have to be executed"),
        ("MODEL: !!python/name:os.system", "would have to be executed"),
        ("_BASE_: nowhere.yaml", "nowhere.yaml"),
        ("SOLVER:\n  BASE_LR: 1\n", r"write 1\.0"),
    ],
)
def test_config_files_that_are_none_say_why(tmp_path, text, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises((InputError, FileNotFoundError), match=sentence):
        build_cfg(str(path))


def test_a_config_that_a_run_left_and_that_is_cut_off_is_no_config(tmp_path):
    path = tmp_path / "config.yaml"
    text = small_cfg().dump()
    lines = text.splitlines(keepends=True)
    for count in range(1, len(lines), 29):
        path.write_text("".join(lines[:count]))
        with pytest.raises(InputError, match=r"config\.yaml"):
            build_cfg(str(path))
    path.write_text(text)
    assert build_cfg(str(path)).SEED == 7


@pytest.mark.parametrize("name", ["cpu:0", "cuda", "cuda:1"])
def test_a_device_is_the_cpu_where_there_is_no_other(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert small_cfg("selsa", "MODEL.DEVICE", name).MODEL.DEVICE == "cpu"


def test_a_device_that_does_not_exist():
    with pytest.raises(InputError, match=r"MODEL\.DEVICE is 'gpu': use 'cuda' or 'cpu'"):
        small_cfg("selsa", "MODEL.DEVICE", "gpu")
