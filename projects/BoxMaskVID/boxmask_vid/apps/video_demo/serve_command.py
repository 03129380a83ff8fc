"""The command ``boxmask-vid serve``: a page for a browser."""

from __future__ import annotations

import argparse
from typing import Any

from ...errors import InputError
from .options import add_annotation_options, read_options


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``boxmask-vid serve``."""
    parser = argparse.ArgumentParser()
    add_page_options(parser)
    add_annotation_options(parser)
    return parser


def add_page_options(parser: argparse.ArgumentParser, *, shown: bool = True) -> None:
    """Add the options of the page, ``shown`` in the help or not."""

    def add(name: str, help: str, **kwargs: Any) -> None:
        parser.add_argument(name, help=help if shown else argparse.SUPPRESS, **kwargs)

    add("--host", "address of the page (default: this machine only)", default="127.0.0.1")
    add("--port", "port of the page; 0 for any that is free", type=int, default=8000)


def run(args: argparse.Namespace) -> None:
    """Annotate videos that are uploaded to a page, until Ctrl-C.

    Raises:
        FileNotFoundError: if the config file does not exist.
        InputError: if there are no weights, a package is missing, or the page cannot be served.
    """
    cfg, options = read_options(args)
    try:
        from .serve import serve
    except ImportError as error:  # the libraries of the page are optional
        raise InputError(
            f"--serve needs a package that is not installed ({error.name}): pip install -c "
            "constraints.txt '.[serve]', or run tools/setup_environment.py."
        ) from error
    serve(cfg, options, host=args.host, port=args.port)
