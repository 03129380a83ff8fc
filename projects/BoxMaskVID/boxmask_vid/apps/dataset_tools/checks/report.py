"""Findings about a COCO-VID JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from tabulate import tabulate

from ....data.datasets.vid_rules import Violations

SHOWN = 3  # first offenders of a finding

# check: whether it is an error
CHECKS = {
    "sections and fields": True,
    "repeated ids": True,
    "unknown video": True,
    "unknown image": True,
    "unknown category": True,
    "frame_id repeats": True,
    "frame_id gaps": True,
    "missing images": True,
    "unreadable images": True,
    "sizes that disagree with the files": True,
    "boxes that are no boxes": True,
    "boxes without area": True,
    "boxes outside their image": True,
    "boxes over the edge": False,
    "tracks that change class": True,
    "tracks twice on a frame": True,
    "tracks that jump": False,
    "track ids used in several videos": False,
    "videos without frames": False,
    "videos without key frames": False,
    "classes without boxes": False,
    "class imbalance": False,
    "splits that share videos": True,
}
NOT_CHECKED = {"empty lists", "file names", "optional fields"}  # rules of the loader only
UNUSABLE = {  # annotations that no training can use
    "unknown image",
    "unknown category",
    "boxes that are no boxes",
    "boxes without area",
    "boxes outside their image",
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
    """All findings, and the records that they concern, for fixes.

    Attributes:
        findings: by check, in the order of :data:`CHECKS`.
        bad_images: positions in ``images`` of files that are missing or unreadable.
        bad_annotations: positions in ``annotations`` that no training can use.
    """

    def __init__(self) -> None:
        self.findings = {
            check: Finding(check, "error" if is_error else "warning")
            for check, is_error in CHECKS.items()
        }
        self.bad_images: set[int] = set()
        self.bad_annotations: set[int] = set()

    def add(self, check: str, offender: str) -> None:
        """Count an offender."""
        finding = self.findings[check]
        finding.count += 1
        if len(finding.first) < SHOWN:
            finding.first.append(offender)

    def add_violations(self, violations: Violations) -> None:
        """Count the records that break a rule of the format."""
        if violations.rule in NOT_CHECKED:
            return
        finding = self.findings[violations.rule]
        finding.count += len(violations.rows)
        shown = violations.rows[: SHOWN - len(finding.first)]
        finding.first += [violations.describe(row, violations.offender) for row in shown]
        if violations.rule in UNUSABLE:
            self.bad_annotations.update(map(int, violations.rows))

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
        return f"\n{tabulate(rows, headers=head)}" if rows else "nothing found"
