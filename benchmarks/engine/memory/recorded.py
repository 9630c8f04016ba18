"""The file of figures: one entry for each run, with commit and machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import machine


def record(path: Path, figures: dict[str, Any]) -> None:
    """Add figures to the file, in place of earlier ones of the same name (`what`)."""
    known = json.loads(path.read_text()) if path.exists() else {}
    known[figures["what"]] = {"commit": machine.commit(Path(__file__).parent), "machine": machine.describe(), **figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
