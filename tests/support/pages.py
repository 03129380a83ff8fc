"""The Markdown pages of the repository: headings, links, code, commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support.paths import REPOSITORY

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")  # may go on in the next line
SHELL_WORDS = ("make ", "pip ", "python ", "pre-commit ")


def pages() -> list[Path]:
    """All pages, relative to the repository."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return sorted(Path(name) for name in done.stdout.splitlines() if (REPOSITORY / name).is_file())


def text_of(page: Path) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def code_blocks(page: Path, language: str) -> list[str]:
    return [block for name, block in FENCED.findall(text_of(page)) if name == language]


def inline_code(page: Path) -> list[str]:
    found = INLINE.findall(FENCED.sub("", text_of(page)))
    return [re.sub(r"\s+", " ", code) for code in found]


def commands(page: Path) -> list[str]:
    """Commands of the page's shell blocks, a line each, without comments."""
    blocks = re.sub(r"\s*\\\n\s*", " ", "\n".join(code_blocks(page, "bash")))
    lines = (re.sub(r"(^|\s+)#\s.*", "", line).strip() for line in blocks.splitlines())
    return [line for line in lines if line]


def inline_commands(page: Path) -> list[str]:
    return [code for code in inline_code(page) if code.startswith(SHELL_WORDS)]


def links(page: Path) -> list[str]:
    """Targets of links and pictures."""
    prose = INLINE.sub("", FENCED.sub("", text_of(page)))
    return re.findall(r"\]\(\s*([^)\s]+)\s*\)", prose)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text_of(page)), re.MULTILINE)
    found: set[str] = set()
    for heading in headings:
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        repeats = (f"{slug}-{number}" for number in range(1, len(headings)))
        found.add(next(name for name in (slug, *repeats) if name not in found))
    return found
