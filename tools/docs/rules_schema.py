"""Generator of the JSON Schema of rules files: `python -m tools.docs.rules_schema [FILE]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from stream.rules_file import rules_schema

FILE = Path(__file__).parents[2] / "docs" / "schema" / "rules.json"


def text() -> str:
    """Return the content of the file."""
    return json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    path.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{path}\n")
