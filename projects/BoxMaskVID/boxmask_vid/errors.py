"""Error for bad input."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_WORD = 300  # characters; a path is shorter, what comes out of a broken file may not be


class InputError(ValueError):
    """Error in a file, an option or a value that the user gave.

    The message is one sentence that names the file, the record, the field and the value, and says
    what to do. Scripts print it without a traceback. It is kept on one line, whatever values it
    contains. Where PyTorch raises it again for a loader worker, the worker's traceback before the
    sentence is removed.
    """

    def __init__(self, message: str) -> None:
        message = message.rpartition(f"{__name__}.InputError: ")[2]
        words = ("".join(filter(str.isprintable, word)) for word in message.split())
        short = (w if len(w) <= LONGEST_WORD else f"{w[:LONGEST_WORD]}..." for w in words)
        super().__init__(" ".join(short))


def quoted(value: object, length: int = 80) -> str:
    """A value as Python writes it, cut short for a message."""
    return shortened(repr(value), length)


def shortened(value: object, length: int = 80) -> str:
    """The text of a value, cut short for a message."""
    text = str(value)
    return text if len(text) <= length else f"{text[:length]}..."


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise ``InputError`` where a file cannot be written: a full disk or no permission."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): choose another place, or free disk "
            "space."
        ) from error


def suggestion(name: str, names: Iterable[str]) -> str:
    """End of the message about an unknown name: the closest names, or all of them."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"use one of {', '.join(names)}."
