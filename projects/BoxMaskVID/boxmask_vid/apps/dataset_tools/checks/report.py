"""Findings about a COCO-VID JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    """Number of offenders of a check, and the first of them."""

    check: str
    count: int = 0
    first: list[str] = field(default_factory=list)

    @property
    def is_error(self) -> bool:
        """Errors stop or spoil a training, warnings need a look."""
        return CHECKS[self.check]


@dataclass
class CheckReport:
    """All findings, and the records that they concern, for fixes.

    Attributes:
        findings: by check, in the order of :data:`CHECKS`.
        bad_images: positions in ``images`` of files that are missing or unreadable.
        bad_annotations: positions in ``annotations`` that no training can use.
    """

    findings: dict[str, Finding] = field(default_factory=lambda: {c: Finding(c) for c in CHECKS})
    bad_images: set[int] = field(default_factory=set)
    bad_annotations: set[int] = field(default_factory=set)

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
        finding.first += [violations.offender(row) for row in shown]
        if violations.rule in UNUSABLE:
            self.bad_annotations.update(map(int, violations.rows))

    @property
    def has_errors(self) -> bool:
        """Whether a training would stop or be spoiled."""
        return any(finding.count and finding.is_error for finding in self.findings.values())
