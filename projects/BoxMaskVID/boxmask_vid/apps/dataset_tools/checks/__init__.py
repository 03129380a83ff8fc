"""What is wrong with a COCO-VID JSON: findings, and repairs of what is mechanical."""

from .examine import Examination, Finding, examine
from .repair import repair

__all__ = ["Examination", "Finding", "examine", "repair"]
