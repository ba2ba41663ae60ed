"""The blocks of commands in README and docs/: which are executed by a test, and which say why not."""

import re
from dataclasses import dataclass
from pathlib import Path

from support.servers import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(
    r"(?:<!-- not executed here: (?P<why>[^>]+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of commands. `why` is the reason that it is not executed; `console` blocks are executed."""

    page: Path
    language: str
    text: str
    why: str | None

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks of shell commands, in order."""
    found = _BLOCK.finditer(page.read_text())
    return [
        Block(page, match["language"], match["text"], match["why"])
        for match in found
        if match["language"] in ("console", "sh", "bash")
    ]


def commands(page: Path) -> list[str]:
    """Return the commands of a page that a test executes."""
    return [command for block in blocks(page) if block.language == "console" for command in block.commands]
