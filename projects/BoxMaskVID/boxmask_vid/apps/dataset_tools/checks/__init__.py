"""Checks of a COCO-VID JSON, and fixes of what has one possible answer."""

from .checks import check_content
from .fixes import fix_content
from .form import fix_form
from .report import CHECKS, CheckReport

__all__ = ["CHECKS", "CheckReport", "check_content", "fix_content", "fix_form"]
