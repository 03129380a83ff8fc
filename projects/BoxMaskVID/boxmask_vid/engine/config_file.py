"""Config files and options, read without executing anything in them, and what is wrong in them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import yaml
from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from ..checkpoint.provenance import flattened
from ..config import RENAMED_KEYS
from ..errors import InputError, quoted, shortened

FIRST_KEY, LAST_KEY = "CUDNN_BENCHMARK", "VIS_PERIOD"  # of a config that a run has written

_MISMATCH = re.compile(
    r"Type mismatch \(<class '([\w.]+)'> vs. <class '(\w+)'>\) with values \(.* vs. (.*)\) for "
    r"config key: ([\w.]+)",
    re.DOTALL,
)


def merge_file(cfg: CfgNode, path: str) -> None:
    """Merge a config file and those that its ``_BASE_`` names into a config.

    Raises InputError if it is not YAML of plain values, is empty or cut off, or has a key or a
    value that is not allowed; FileNotFoundError if a file of ``_BASE_`` does not exist.
    """
    try:
        with PathManager.open(path, "r") as file:
            text = file.read()
        _check_whole(path, text)
        cfg.merge_from_file(path, allow_unsafe=False)
    except InputError:
        raise
    except yaml.constructor.ConstructorError as error:
        raise InputError(
            f"Config file {path} (or its _BASE_) has a value that would have to be executed "
            f"({error.problem}), and nothing in a config is: write plain values."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"Config file {path} (or its _BASE_) is not YAML ({error}): correct it there."
        ) from error
    except (KeyError, AssertionError, ValueError, TypeError, AttributeError) as error:
        raise _config_error(cfg, path, error) from error


def merge_options(cfg: CfgNode, opts: Sequence[object]) -> None:
    """Merge keys and values in turn into a config.

    Raises InputError if a key does not exist or a value is not allowed.
    """
    for word in opts:
        if isinstance(word, str) and word.startswith("--"):
            raise InputError(
                f"{word} stands behind the first KEY VALUE pair ({shortened(opts[0])} ...), where "
                "it would be a key: write options before the pairs."
            )
        if isinstance(word, str) and re.match(r"[A-Z][A-Z0-9_]*\.[A-Z0-9_.]+=", word):
            raise InputError(f"{word} has an equals sign: write {word.replace('=', ' ', 1)}.")
    if len(opts) % 2:
        raise InputError(
            f"The command line has {len(opts)} words of KEY VALUE pairs, the last one is "
            f"{shortened(opts[-1])}: write a value after each key."
        )
    try:
        cfg.merge_from_list(list(opts))
    except (KeyError, AssertionError, ValueError, TypeError, AttributeError) as error:
        raise _config_error(cfg, "the command line", error) from error


def _check_whole(path: str, text: str) -> None:
    content = yaml.safe_load(text)
    if content is None:
        raise InputError(f"Config file {path} is empty: write it again.")
    if not isinstance(content, dict):
        raise InputError(
            f"Config file {path} has no keys, but {quoted(content)}: write KEY: VALUE."
        )
    if FIRST_KEY in content and text.startswith(FIRST_KEY) and LAST_KEY not in content:
        raise InputError(
            f"Config file {path} is cut off, its last line is {shortened(text.splitlines()[-1])}: "
            "use the one that the run was started with."
        )


def _config_error(cfg: CfgNode, source: str, error: Exception) -> InputError:
    reason = str(error.args[0] if error.args else error)
    if match := _MISMATCH.search(reason):
        return _mismatch(source, *match.groups())
    if reason.startswith("Non-existent"):
        key = reason.split(": ")[-1]
        close = difflib.get_close_matches(key, flattened(cfg), n=3)
        reason += f" (did you mean {' or '.join(close)}?)" if close else ""
        if key in RENAMED_KEYS:
            reason = f"{key} was renamed to {RENAMED_KEYS[key]}"
    return InputError(f"In {source}: {reason}; correct it there.")


def _mismatch(source: str, expected: str, found: str, value: str, key: str) -> InputError:
    """Sentence about a value of the wrong type, with what to write."""
    if expected.endswith("CfgNode"):
        return InputError(
            f"In {source}: {key} is {shortened(value)}, but {key} is a group of keys: write one of "
            f"them, {key}.NAME."
        )
    remedy = {
        ("float", "int"): f"{value}.0",
        ("tuple", "str"): f"\"('{value}',)\"",
        ("list", "str"): f"\"['{value}']\"",
        ("tuple", "int"): f'"({value},)"',
        ("tuple", "float"): f'"({value},)"',
        ("str", "int"): f"\"'{value}'\"",
        ("str", "float"): f"\"'{value}'\"",
    }.get((expected, found))
    examples = {"bool": "True or False", "int": "a whole number", "float": "a number like 0.5"}
    write = remedy or examples.get(expected, f"a {expected}")
    return InputError(
        f"In {source}: {key} is {shortened(value)}, of the type {found} in place of {expected} "
        f"(Type mismatch): write {write}."
    )
