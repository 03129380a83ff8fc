"""Logs of JSON lines that an interrupted run leaves and a later one continues.

The log ``X.jsonl`` has a line for each record. ``X.jsonl.provenance`` beside it is a JSON object of
everything that the records depend on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import InputError
from .files import GrowingFile, read_json, write_json

logger = logging.getLogger(__name__)


class JsonLinesLog(GrowingFile):
    """Log to write to; each record is on disk when :meth:`append` returns."""

    def __init__(self, path: Path, provenance: Mapping[str, object], *, keep: int = 0) -> None:
        """
        Args:
            path: the log.
            provenance: everything that its records depend on.
            keep: number of records at its start to keep; what follows them is cut off.
        """
        super().__init__(path, append=keep > 0)
        if keep:
            with open(path, "rb") as file:
                end = sum(len(file.readline()) for _ in range(keep))
            os.truncate(path, end)
        # not before the log is emptied: records never stand beside the provenance of others
        write_json(_provenance_file(path), dict(provenance))

    def append(self, record: Mapping[str, object]) -> None:
        """Add a record."""
        self.write(json.dumps(record) + "\n")


def read_json_lines(path: Path, provenance: Mapping[str, object]) -> Iterator[dict]:
    """Records of a log; none if it does not exist. A line torn at the end is left out.

    Args:
        path: the log.
        provenance: everything that the records of a continuation depend on.

    Raises:
        InputError: if the provenance of the log is not this one, or a line is not a JSON object.
    """
    if not path.is_file():
        return
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                logger.warning(f"{path}: the last line is torn and left out.")
                return
            if number == 1:
                _check_provenance(path, provenance)
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                raise InputError(
                    f"{path}, line {number}: this is not a JSON object; leave out --resume to "
                    "start over."
                )
            yield record


def _check_provenance(path: Path, provenance: Mapping[str, object]) -> None:
    file = _provenance_file(path)
    if not file.is_file():
        raise InputError(
            f"File {file} not found, which says what {path} was made with: leave out --resume to "
            "start over."
        )
    written, wanted = read_json(file), json.loads(json.dumps(provenance))
    if not isinstance(written, dict):
        raise InputError(f"{file} is not a JSON object: leave out --resume to start over.")
    for key in sorted(written.keys() | wanted.keys()):
        if written.get(key) != wanted.get(key):
            raise InputError(
                f"{path} was made with {key} {written.get(key)}, now it is {wanted.get(key)}: "
                "leave out --resume to start over, or choose another output."
            )


def _provenance_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.provenance")
