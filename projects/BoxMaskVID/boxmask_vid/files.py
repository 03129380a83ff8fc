"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, TypeVar

from .errors import InputError, writing

DEVICES = ("/dev", "/dev/fd", "/proc/self/fd")  # folders; what is there may lead to a file
File = TypeVar("File", bound="GrowingFile")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is not JSON.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors write a byte order mark
            return json.load(file)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(f"File {path} not found: check the path.") from error
    except (ValueError, RecursionError) as error:  # JSONDecodeError, UnicodeDecodeError, huge int
        raise InputError(f"{path} is not JSON ({error}): write it again.") from error


def refuse_overwriting(outputs: Mapping[str, Path | None], inputs: Iterable[Path]) -> None:
    """Check that no output is an input, by whatever name or link, and no two are the same file.

    Args:
        outputs: paths by the option that gives them; None where it is not given.
        inputs: paths of files that are read.

    Raises:
        InputError: if one is.
    """
    taken = [(f"the input {path}", path) for path in inputs]
    for option, output in outputs.items():
        if output is None:
            continue
        for name, path in taken:
            for written in (output, _unfinished(output)):
                if _is_same_file(written, path):
                    raise InputError(
                        f"{option} {output} would be written over {name}: choose another file."
                    )
        taken.append((f"{option} {output}", output))


def refuse_devices(path: Path) -> None:
    """Check that an output is no device and no pipe, such as /dev/null: a file would replace it.

    Raises:
        InputError: if it is one.
    """
    is_special = path.exists() and not path.is_file() and not path.is_dir()
    if is_special or str(Path(os.path.abspath(path)).parent) in DEVICES:
        raise InputError(
            f"The output {path} is a device or a pipe: choose a file (in a temporary folder if it "
            "is not wanted)."
        )


def _is_same_file(first: Path, second: Path) -> bool:
    with suppress(OSError):  # one of them does not exist
        return os.path.samefile(first, second)
    return os.path.realpath(first) == os.path.realpath(second)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file, whole or not at all.

    Records of lists get a line each, so that the text of the whole content is never in memory.

    Raises:
        InputError: if the disk is full or the file may not be written.
    """
    with written_whole(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        _write_sections(file, content)


def write_records(path: Path, records: Iterable[dict]) -> None:
    """Write a JSON list of records, a line each, whole or not at all.

    Raises:
        InputError: if the disk is full or the file may not be written.
    """
    with written_whole(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        _write_list(file, records)
        file.write("\n")


def write_new(path: Path, content: bytes, *, option: str) -> None:
    """Write a file where there is none, or where there is the same one already.

    Raises:
        InputError: if there is another one, or the disk is full; ``option`` named the folder.
    """
    with writing(path):
        if path.is_symlink() or path.exists():
            if path.is_file() and path.read_bytes() == content:
                return
            raise InputError(
                f"{path} is there already and is another file: give {option} an empty folder."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _unfinished(path)
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it is moved to ``path`` when the block ends.

    The content is on the disk before the name is, so that neither a process that is killed nor a
    machine that loses its power leaves a part of it. After an error the file that was at ``path``
    is still there, and the unfinished one is removed; one that a killed process left is replaced.

    Raises:
        InputError: if the disk is full or the file may not be written, or is a device.
    """
    refuse_devices(path)
    unfinished = _unfinished(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield unfinished
            _to_disk(unfinished)
            os.replace(unfinished, path)
            _to_disk(path.parent)
    finally:
        with suppress(OSError):  # it does not exist, or its parent is not a folder
            unfinished.unlink()


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives cannot
            raise
    finally:
        os.close(descriptor)


def _write_sections(file: TextIO, content: dict) -> None:
    for number, (section, value) in enumerate(content.items()):
        file.write(f"{',' if number else '{'}\n{json.dumps(section)}: ")
        if isinstance(value, list):
            _write_list(file, value)
        else:
            file.write(json.dumps(value))
    file.write("}\n" if content else "{}\n")


def _write_list(file: TextIO, records: Iterable[object]) -> None:
    start = "["
    for record in records:
        file.write(f"{start}\n{json.dumps(record)}")
        start = ","
    file.write("[]" if start == "[" else "]")


class GrowingFile:
    """Text file of which every piece is on disk when :meth:`write` returns.

    All methods raise ``InputError`` if there is no room or no right to write.
    """

    def __init__(self, path: Path, *, append: bool = False, shown: Path | None = None) -> None:
        """
        Args:
            path: the file.
            append: keep what the file contains.
            shown: the path that messages name, if it is not ``path``.
        """
        self._shown = shown or path
        with writing(self._shown):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a" if append else "w", encoding="utf-8", newline="")  # noqa: SIM115

    def write(self, text: str) -> None:
        """Append a piece of text."""
        with writing(self._shown):
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with writing(self._shown):
            self._file.close()

    def __enter__(self: File) -> File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(InputError) if error else nullcontext():
            self.close()
