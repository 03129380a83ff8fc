"""Error analysis of detections as one HTML file that needs no other."""

from .page import write_report
from .report_data import ReportData

__all__ = ["ReportData", "write_report"]
