"""Checks of the places of outputs before anything is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...errors import InputError
from ...files import refuse_devices
from ...video import input_files
from ...video.writer import unfinished_video

HELPERS = (".unfinished", ".provenance", ".provenance.unfinished")  # files beside an output


def check_places(
    inputs: Sequence[str],
    outputs: Sequence[Path],
    others: Iterable[str] = (),
    *,
    exports: Sequence[Path] = (),
) -> None:
    """Check that no output is an input, whatever links there are, and that it can be a file.

    Args:
        inputs: videos, as :func:`~boxmask_vid.video.open_frames` takes them.
        outputs: files to write.
        others: files that are read besides.
        exports: further files and folders to write, which replace those that are there.

    Raises:
        InputError: if an output is an input, has it in it, or is another output, a folder, a
            device, or below a file.
    """
    read = {key: path for path in _files(inputs, others) for key in _keys(path)}
    folders = {str(folder): path for path in read.values() for folder in _real(path).parents}
    written: dict[object, Path] = {}
    for output in [*outputs, *exports]:
        if str(_real(output)) in folders:
            raise InputError(
                f"The output {output} would replace the folder of the input "
                f"{folders[str(_real(output))]}: choose another place."
            )
        for key in (key for path in _written(output) for key in _keys(path)):
            if key in read:
                raise InputError(
                    f"The output {output} would be written over the input {read[key]}: choose "
                    "another place."
                )
    for output in outputs:
        refuse_devices(output)
        _check_is_no_folder(output)
        for key in _keys(output):
            other = written.setdefault(key, output)
            if other is not output:
                raise InputError(
                    f"The outputs {other} and {output} are the same file: choose two places."
                )


def _files(inputs: Iterable[str], others: Iterable[str]) -> Iterator[Path]:
    for path in inputs:
        yield from input_files(path)
    yield from map(Path, others)


def _written(output: Path) -> Iterator[Path]:
    yield output
    yield unfinished_video(output)
    for suffix in HELPERS:
        yield output.with_name(output.name + suffix)


def _keys(path: Path) -> Iterator[object]:
    """What two paths of the same file have in common: their place, or the file itself."""
    yield str(_real(path))
    try:
        status = os.stat(path)
    except OSError:
        return
    yield status.st_dev, status.st_ino


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _check_is_no_folder(output: Path) -> None:
    if output.is_dir():
        raise InputError(f"The output {output} is a folder: choose another name for the file.")
    for parent in output.parents:
        if parent.is_dir():
            return
        if parent.exists():
            raise InputError(
                f"The output {output} is below {parent}, which is a file: choose another place."
            )
