"""The command ``boxmask-vid models``: models that have published weights."""

from __future__ import annotations

import argparse

from tabulate import tabulate

from .. import model_zoo
from ..checkpoint.zoo import CHECKPOINTS, SUFFIX, cached_file


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``boxmask-vid models``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", nargs="?", metavar="NAME", help="print the config of this model")
    return parser


def run(args: argparse.Namespace) -> None:
    """Print a table of all models, or the config of one.

    Raises:
        InputError: if there is no model of that name.
    """
    if args.name:
        print(f"# {model_zoo.get_config_file(args.name)}")
        is_published = {args.name, args.name + SUFFIX} & set(CHECKPOINTS)
        print(model_zoo.get_config(args.name, trained=bool(is_published)).dump())
        return
    rows = [
        (name, weights.ap50, "yes" if cached_file(weights).is_file() else "")
        for name, weights in CHECKPOINTS.items()
    ]
    print(tabulate(rows, ["name", "AP50", "downloaded"], floatfmt=".1f"))
    print(
        "\nAP50 on ImageNet VID val as published. The ending _DC5_7e may be left out:\n"
        "boxmask-vid detect VIDEO --model selsa_troi_R_50\n\npublished files:"
    )
    print("\n".join(f"  {weights.url}" for weights in CHECKPOINTS.values()))
