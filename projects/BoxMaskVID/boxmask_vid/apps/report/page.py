"""The page: a template filled with tables, plots and pictures, in a file that needs no other."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ...files import written_whole
from . import pictures, plots, tables
from .analysis.confidence import LOWEST_SCORE
from .report_data import ReportData


def write_report(path: Path, data: ReportData, images: Path | None) -> None:
    """Write the page to a file, whole or not at all.

    File names are relative to the folder ``images``; None: no pictures.

    Raises:
        InputError: if a picture cannot be read, or the file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (tables.percent, tables.number, tables.integer):
        environment.filters[function.__name__] = function
    modules = {"tables": tables, "plots": plots, "pictures": pictures}
    content = environment.get_template("report.html").render(
        data=data, images=images, lowest_score=LOWEST_SCORE, **modules
    )
    with written_whole(path) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
