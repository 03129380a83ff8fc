"""Peak memory of processes."""

from __future__ import annotations

import resource
import sys

GIB = 2**30


def peak_bytes() -> int:
    """Largest resident memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
