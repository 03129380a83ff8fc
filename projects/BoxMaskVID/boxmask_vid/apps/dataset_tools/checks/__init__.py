"""Checks of a COCO-VID JSON, and fixes of what has one possible answer."""

from .checks import FORM, check_content
from .fixes import fix_content
from .report import CHECKS

__all__ = ["CHECKS", "FORM", "check_content", "fix_content"]
