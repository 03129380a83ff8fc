"""Findings about a COCO-VID JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from tabulate import tabulate

from ....data.datasets.vid_rules import Violations

UNUSABLE = {  # rules; annotations that break them are of no use to a training
    "unknown image",
    "unknown category",
    "boxes that are no boxes",
    "boxes without area",
    "boxes outside their image",
}
SHOWN = 3  # first offenders of a finding

# check: whether it is an error
CHECKS = {
    "sections and fields": True,
    "empty lists": True,
    "optional fields": True,
    "no boxes": True,
    "repeated ids": True,
    "unknown video": True,
    "unknown image": True,
    "unknown category": True,
    "frame_id repeats": True,
    "frame_id gaps": True,
    "file names": True,
    "missing images": True,
    "unreadable images": True,
    "unknown sizes": True,
    "sizes that disagree with the files": True,
    "boxes that are no boxes": True,
    "boxes without area": True,
    "boxes outside their image": True,
    "boxes that are corners": True,
    "boxes over the edge": False,
    "tracks that change class": True,
    "tracks twice on a frame": True,
    "tracks that jump": False,
    "track ids used in several videos": False,
    "ignored boxes": False,
    "files listed twice": False,
    "videos of several clips": False,
    "frames in another order than their numbers": False,
    "videos without frames": False,
    "videos without key frames": False,
    "classes without boxes": False,
    "class imbalance": False,
    "splits that share videos": True,
    "splits whose classes differ": True,
}


@dataclass
class Finding:
    """Number of offenders of a check, and the first of them.

    An "error" stops or spoils a training, a "warning" needs a look.
    """

    check: str
    severity: str
    count: int = 0
    first: list[str] = field(default_factory=list)


class CheckReport:
    """All findings by check, in the order of :data:`CHECKS`, and the records that they concern.

    Attributes:
        cannot_be_loaded: whether the form is such that nothing else was checked.
        bad_images: positions of images whose files are missing or unreadable.
        backslashes: positions of images whose files are there with / for \\ in their names.
        file_sizes: width and height of the file by position, where the JSON says something else.
    """

    def __init__(self) -> None:
        self.findings = {
            check: Finding(check, "error" if is_error else "warning")
            for check, is_error in CHECKS.items()
        }
        self.cannot_be_loaded = False
        self.bad_images: set[int] = set()
        self.backslashes: set[int] = set()
        self.file_sizes: dict[int, tuple[int, int]] = {}

    def add(self, check: str, offender: str) -> None:
        """Count an offender."""
        finding = self.findings[check]
        finding.count += 1
        if len(finding.first) < SHOWN:
            finding.first.append(offender)

    def add_violations(self, violations: Violations) -> None:
        """Count the records that break a rule of the format."""
        finding = self.findings[violations.rule]
        finding.count += len(violations.rows)
        shown = violations.rows[: SHOWN - len(finding.first)]
        offender = violations.offender or violations.sentence or ""
        finding.first += [violations.describe(row, offender) for row in shown]

    def count(self, severity: str) -> int:
        """Number of offenders of all errors, or of all warnings."""
        return sum(item.count for item in self.findings.values() if item.severity == severity)

    def as_json(self) -> dict:
        """Content of the JSON report."""
        found = [asdict(finding) for finding in self.findings.values() if finding.count]
        return {"errors": self.count("error"), "warnings": self.count("warning"), "findings": found}

    def __str__(self) -> str:
        rows = [
            [finding.severity, finding.check, finding.count, "\n".join(finding.first)]
            for finding in self.findings.values()
            if finding.count
        ]
        head = ["", "check", "count", "the first of them"]
        return tabulate(rows, headers=head) if rows else "no errors, no warnings"
