"""What a command may print to its standard error."""

from __future__ import annotations

import re

OWN = re.compile(
    r"\+ .*"  # bash's commands
    r"|[\w ]+: .*\d+/(\d+|\?).*|\w+: \d+\w+ \[.*"  # progress bars
    r"|MODEL.DEVICE is 'cuda', but .*"
    r"|\S+\.json: \d+ of \d+ boxes (are|reach|seem) .*"  # of a model of three iterations
)


def foreign_lines(stderr: str) -> list[str]:
    """Lines that are neither bash's commands nor our progress bars and sentences."""
    lines = stderr.replace("\r", "\n").splitlines()
    return [line for line in lines if line and not OWN.fullmatch(line)]
