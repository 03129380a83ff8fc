"""Checks of a COCO-VID JSON, and fixes of what has one possible answer."""

from .checks import check_content
from .fixes import fix_content
from .report import CHECKS, CheckReport
from .values import fix_ids

__all__ = ["CHECKS", "CheckReport", "check_content", "fix_content", "fix_ids"]
