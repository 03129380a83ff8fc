"""Tables on the page of results are those that the tool wrote."""

import re

from support.paths import PROJECT

PAGE = PROJECT / "docs/RESULTS.md"
RESULTS = PROJECT / "results"


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_rows_of_models_and_gains_are_from_the_files_of_results():
    written = {row for file in RESULTS.glob("*/ablation.md") for row in rows_of(file.read_text())}
    tables = re.findall(r"(?m)^\|.*\n(?:\|.*\n)+", PAGE.read_text())
    of_the_tool = [table for table in tables if re.match(r"\| (model|from) ", table)]
    assert of_the_tool
    assert {row for table in of_the_tool for row in rows_of(table)} <= written


def test_every_table_of_the_tool_has_its_records():
    for file in RESULTS.glob("*/ablation.md"):
        models = rows_of(file.read_text().split("COCO's AP")[0])[2:]
        records = list(file.parent.glob("records/*/seed_1/test.json"))
        assert len(records) == len(models), file
