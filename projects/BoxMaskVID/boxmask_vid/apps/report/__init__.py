"""The error analysis as a page for people: one HTML file with everything in it."""

from .page import write_report
from .study import Study

__all__ = ["Study", "write_report"]
