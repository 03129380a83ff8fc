"""The command ``boxmask-vid serve``: a page for a browser."""

from __future__ import annotations

import argparse

from ...errors import InputError
from .options import add_annotation_options, read_options


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``boxmask-vid serve``."""
    parser = argparse.ArgumentParser()
    add_page_options(parser)
    add_annotation_options(parser)
    return parser


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the page."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address of the page (default: this machine only)")
    add("--port", type=int, default=8000, help="port of the page; 0 for any that is free")


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
