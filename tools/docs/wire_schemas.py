"""Generator of the JSON Schemas of the ZeroMQ messages: `python -m tools.docs.wire_schemas [FOLDER]`.

The schemas allow unknown fields, because later minor versions may add some.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from stream.results import Alert, ClipReady, Event, Frame, Message, Place, Stats, Status

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parents[2] / "docs" / "schema"


def schema(message: type[Message]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a message type."""
    (reference,), definitions = msgspec.json.schema_components((message,), ref_template="#/$defs/{name}")
    own = definitions.pop(reference["$ref"].removeprefix("#/$defs/"))
    own.pop("title")
    return {"$schema": DIALECT, "title": tag(message), **own, "$defs": definitions}


def tag(message: type[Message]) -> str:
    """Return the value of a message type's field `schema`, for example `partstream.frame/1`."""
    return str(message.__struct_config__.tag)


def texts() -> dict[str, str]:
    """Return the content of each schema by file name, for example `partstream.frame-1.json`."""
    return {
        f"{tag(message).replace('/', '-')}.json": json.dumps(schema(message), indent=2, ensure_ascii=False) + "\n"
        for message in (Frame, Event, Status, Stats, Alert, ClipReady, Place)
    }


def write(folder: Path) -> list[Path]:
    """Write all schemas into `folder` and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / name for name in texts()]
    for path, text in zip(written, texts().values(), strict=True):
        path.write_text(text, encoding="utf-8")
    return written


if __name__ == "__main__":
    for path in write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        sys.stdout.write(f"{path}\n")
