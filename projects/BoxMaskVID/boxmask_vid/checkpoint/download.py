"""Download of files whose names end with the first digits of their SHA-256."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from urllib.response import addinfourl

from tqdm import tqdm

from ..errors import InputError
from .provenance import sha256

logger = logging.getLogger(__name__)

TIMEOUT = 30  # seconds without a byte
ATTEMPTS = 5  # connections that may break off
BLOCK = 1 << 18  # bytes
NOT_SATISFIABLE = 416  # the server's answer when there is nothing to continue with


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


def download(url: str, path: Path, digits: str) -> None:
    """Download a file and compare its SHA-256 with the digits in its name.

    What has arrived stays in ``path`` after an interruption, and the next call continues there.

    Args:
        url: address of the file.
        path: file to write; it may have the beginning of the content already.
        digits: first hexadecimal digits of the SHA-256.

    Raises:
        InputError: if the address cannot be reached, has no such file, ends too early again and
            again, or has another content.
        OSError: if ``path`` cannot be written.
    """
    continued = path.is_file()
    if continued and digits_of(path, len(digits)) == digits:
        return
    logger.info(f"Downloading {url}")
    _receive_all(url, path)
    found = digits_of(path, len(digits))
    if found != digits and continued:  # it may have begun with another content
        path.unlink()
        _receive_all(url, path)
        found = digits_of(path, len(digits))
    if found != digits:
        path.unlink()
        raise wrong_digits(url, found, digits)


def digits_of(path: Path, count: int) -> str:
    """First ``count`` hexadecimal digits of the SHA-256 of a file."""
    return sha256(str(path))[:count]


def wrong_digits(place: str, found: str, digits: str) -> InputError:
    """Build the error for a file that is not the one that its name promises."""
    return InputError(
        f"The SHA-256 of {place} begins with {found}, its name ends with {digits}: the file is "
        "damaged or another one; download it again, or choose another BOXMASK_VID_ZOO."
    )


def _receive_all(url: str, path: Path) -> None:
    for _ in range(ATTEMPTS):
        try:
            return _receive(url, path)
        except _BrokenOffError as error:
            logger.warning(f"The download of {url} broke off ({error}): continuing.")
    raise InputError(
        f"The download of {url} broke off {ATTEMPTS} times: start again to continue it, or set "
        "BOXMASK_VID_ZOO to a mirror or to a folder with this file."
    )


def _receive(url: str, path: Path) -> None:
    """Append to the file what is missing of it; begin again where the server cannot continue."""
    size = path.stat().st_size if path.is_file() else 0
    with _connection(url, size) as response:
        if size and response.status == NOT_SATISFIABLE:
            path.unlink()
            raise _BrokenOffError("it is not as long as what is there")
        continues = size and response.status == 206
        if not continues:
            size = 0
        missing = response.headers["Content-Length"]
        total = None if missing is None else size + int(missing)
        interval = 0.2 if sys.stderr.isatty() else 10
        bar = tqdm(
            desc=path.name.removesuffix(".part"),
            initial=size,
            total=total,
            unit="B",
            unit_scale=True,
            mininterval=interval,
        )
        with bar, open(path, "ab" if continues else "wb") as file:
            for block in _blocks(response):
                file.write(block)
                size += len(block)
                bar.update(len(block))
    if total is not None and size < total:
        raise _BrokenOffError(f"{size} of {total} bytes")


def _connection(url: str, start: int) -> addinfourl:
    headers = {"Range": f"bytes={start}-"} if start else {}
    remedy = "set BOXMASK_VID_ZOO to a mirror or to a folder with this file"
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if start and error.code == NOT_SATISFIABLE:
            return error
        raise InputError(
            f"{url} was answered with {error.code} ({error.reason}): {remedy}."
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{url} cannot be reached ({reason}): check the network, or {remedy}."
        ) from error


def _blocks(response: addinfourl) -> Iterator[bytes]:
    try:
        while block := response.read(BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        raise _BrokenOffError(str(error)) from error
