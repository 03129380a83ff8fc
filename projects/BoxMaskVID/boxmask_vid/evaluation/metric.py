"""Names of what is measured."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """What is measured, e.g. ("ilsvrc", "slow", "AP50")."""

    scorer: str
    motion: str  # range in MOTION_RANGES
    name: str  # AP, AP50, AP75; of coco in range "all" also APs, APm, APl
