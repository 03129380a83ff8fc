"""The page: sections, one after the other, in a file that needs no other."""

from __future__ import annotations

from pathlib import Path

from ...files import written_whole
from . import sections
from .html import Html, element
from .study import Study

STYLE = Html("""
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 1120px; padding: 24px 32px 64px; color: #222; background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; font-weight: 600; margin: 8px 0 0; }
h2 { font-size: 20px; font-weight: 600; margin: 44px 0 4px; padding-top: 12px;
  border-top: 1px solid #ddd; }
h3 { font-size: 15px; font-weight: 600; margin: 24px 0 6px; }
small { color: #666; font-size: 12px; font-weight: 400; }
.files { color: #666; margin: 2px 0 12px; }
.explanation { max-width: 86ch; margin: 6px 0 12px; }
.note { border-left: 3px solid #E69F00; padding: 4px 12px; background: #fdf6e7; }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.card { border: 1px solid #ddd; border-radius: 6px; padding: 10px 16px; min-width: 116px; }
.card div { color: #555; font-size: 13px; }
.card strong { display: block; font-size: 26px; font-weight: 600; line-height: 1.25; }
.scroll { overflow-x: auto; margin: 8px 0 16px; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
thead th { color: #555; font-weight: 600; border-bottom: 1px solid #bbb; }
thead th[colspan] { text-align: center; border-left: 1px solid #eee; }
th:first-child, .words td:nth-child(2), .words th:nth-child(2) { text-align: left; }
tbody th { font-weight: 500; }
.strips th, .strips td { text-align: left; padding: 3px 10px 3px 0; border: 0; }
.strips svg { display: block; border-radius: 2px; }
.plot { max-width: 100%; height: auto; display: block; margin: 12px 0; }
.frames { display: grid; grid-template-columns: repeat(2, 1fr); gap: 10px; }
figure { margin: 0; }
figure svg { width: 100%; height: auto; display: block; border-radius: 4px; overflow: hidden; }
figcaption { color: #666; font-size: 12px; }
figure .rim, figure .box { fill: none; vector-effect: non-scaling-stroke; }
figure .rim { stroke: rgba(0, 0, 0, 0.55); stroke-width: 4.5px; }
figure .box { stroke-width: 2.5px; }
figure .label { fill-opacity: 0.85; }
figure text { fill: #111; font-weight: 600; }
.chip { margin-right: 16px; white-space: nowrap; font-size: 13px; }
.chip i { display: inline-block; width: 13px; height: 13px; margin-right: 5px; border-radius: 3px;
  border: 1px solid #999; vertical-align: -2px; }
""")


def report_html(study: Study, images: Path | None) -> str:
    """The whole page.

    Args:
        study: what it is about.
        images: folder that file names are relative to; None: no pictures.

    Raises:
        InputError: if a picture is missing.
    """
    truth_file, detections_file = study.names
    title = f"Detections in videos: {detections_file}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", title),
        element("style", STYLE),
    )
    body = element(
        "body",
        element("h1", title),
        element("p", f"compared with {truth_file}", class_="files"),
        sections.headline(study),
        sections.by_scorer(study),
        sections.by_class(study),
        sections.curves(study),
        sections.kinds_of_errors(study),
        sections.confusions(study),
        sections.steadiness(study),
        sections.calibrated(study),
        sections.worst_videos(study, images),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def write_report(path: Path, study: Study, images: Path | None) -> None:
    """Write :func:`report_html` to a file, whole or not at all."""
    content = report_html(study, images)
    with written_whole(path) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
