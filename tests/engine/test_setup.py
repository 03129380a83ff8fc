"""Old config files and options get a sentence with the new name."""

import functools
import re

import pytest

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
