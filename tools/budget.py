"""Compare the size of the repository with budget.toml.

    python -m tools.budget

Lines are all lines of the Python files that Git tracks; `everything` leaves out the tests. Words are those of all
Markdown files but CHANGELOG.md. The exit status is 1 if something is larger than its budget.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table


def tracked(ending: str) -> list[Path]:
    """Return the files that Git tracks and that exist, by the ending of their names."""
    listed = subprocess.run(["git", "ls-files", "-z", f"*{ending}"], stdout=subprocess.PIPE, text=True, check=True)
    return [path for path in map(Path, listed.stdout.split("\0")) if path.is_file()]


def sizes() -> dict[str, int]:
    """Return the lines of each folder of product code, of `everything`, of `tests`, and the words of documentation."""
    found = {"everything": 0, "tests": 0}
    for path in tracked(".py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        found[path.parts[0]] = found.get(path.parts[0], 0) + lines
        if path.parts[0] != "tests":
            found["everything"] += lines
    pages = [path for path in tracked(".md") if path.name != "CHANGELOG.md"]
    found["documentation"] = sum(len(page.read_text(encoding="utf-8").split()) for page in pages)
    return found


def main() -> None:
    budget = tomllib.loads(Path("budget.toml").read_text(encoding="utf-8"))
    found = sizes()
    table = Table("", Column("now", justify="right"), Column("budget", justify="right"))
    over = []
    for unit, limits in budget.items():
        for name, most in limits.items():
            now = found.get(name, 0)
            table.add_row(f"{unit} of {name}", f"{now:,}", f"{most:,}", style="red" if now > most else "")
            if now > most:
                over.append(f"{name}: {now - most:,} {unit} over budget.toml. Remove as much, or simplify.")
    Console().print(table)
    if over:
        sys.exit("\n".join(over))


if __name__ == "__main__":
    main()
