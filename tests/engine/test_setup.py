"""Old config files and options get a sentence with the new name."""

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


def exists(key: str) -> bool:
    node = small_cfg()
    for part in key.split("."):
        if part not in node:
            return False
        node = node[part]
    return True


@pytest.mark.parametrize(("key", "value", "sentence"), [*KEYS, *VALUES])
def test_a_renamed_key_or_value_gets_its_new_name(tmp_path, key, value, sentence):
    if (key, value, sentence) in KEYS and exists(key):
        pytest.skip(f"{key} is not renamed yet")
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
    if key.endswith("ONLINE.POLICY") and not exists(key):
        pytest.skip(f"{key} does not exist yet")
    assert exists(key)


def test_further_replacements_are_taken_from_the_table(monkeypatch):
    monkeypatch.setitem(RENAMED_KEYS, "MODEL.VID.TORI", "MODEL.VID.TROI")
    with pytest.raises(InputError, match=r"MODEL\.VID\.TORI was renamed to MODEL\.VID\.TROI;"):
        build_cfg(CONFIG, ["MODEL.VID.TORI", "1"])
