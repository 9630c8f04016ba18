"""Writes docs/configuration.md from the configuration's own fields: `python -m tools.docs.config_reference`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ByteSize, TypeAdapter

from stream.config import Config

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

EXAMPLE = """\
cameras:
  - id: lobby
    source: rtsp://user:password@10.0.0.7/stream
  - id: yard
    source: rtsp://10.0.0.8/stream
    detector_size: [768, 576] # people are far away
    max_fps: 12.5
model:
  profile: edge
http:
  bind: 0.0.0.0:9090
  read_token: change-me # better from the environment: PARTSTREAM_HTTP__READ_TOKEN
  control_token: change-me-too # PARTSTREAM_HTTP__CONTROL_TOKEN; without it no camera is changed from other hosts
  tls_certificate: /etc/partstream/fullchain.pem
  tls_key: /etc/partstream/key.pem
state_file: /var/lib/partstream/cameras.json # what is changed at run time holds after a restart
"""

_BYTES_PATTERN: str = TypeAdapter(ByteSize).json_schema()["anyOf"][0]["pattern"]

_LIMITS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def page() -> str:
    """The whole page, Markdown."""
    schema = Config.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    sections: list[tuple[str, dict[str, Any]]] = []
    top: list[tuple[str, dict[str, Any]]] = []
    for name, field in schema["properties"].items():
        section = _section(field, definitions)
        if section is None:
            top.append((name, field))
        else:
            sections.append((f"{name}[]" if field.get("type") == "array" else name, section))
    lines = [
        "# Configuration",
        "",
        "<!-- Written by `python -m tools.docs.config_reference` from stream/settings; a test keeps the two equal. -->",
        "",
        "A YAML file, handed over as `--config FILE`. Every setting but a camera's `id` and `source` has a default, so",
        "a file holds only what differs. Unknown keys are errors. `partstream config check FILE` says what is wrong;",
        "`partstream config schema` prints a JSON Schema for editors.",
        "",
        "The command line wins over environment variables, and those over the file. A variable is named after its",
        "setting, with `__` between levels, e.g. `PARTSTREAM_HTTP__READ_TOKEN` or `PARTSTREAM_MODEL__DEVICE`.",
        "",
        "```yaml",
        *EXAMPLE.splitlines(),
        "```",
    ]
    for name, section in [*sections]:
        for inner, field in section["properties"].items():
            nested = _section(field, definitions)
            if nested is not None:
                sections.insert(sections.index((name, section)) + 1, (f"{name}.{inner}[]", nested))
    for name, section in sections:
        lines += ["", f"## {name}", "", section.get("description", "").strip(), ""]
        lines += _table(section["properties"].items(), set(section.get("required", [])), definitions)
    lines += ["", "## At the top level", "", *_table(top, set(), definitions), ""]
    return "\n".join(lines)


def _section(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    reference = field.get("$ref") or field.get("items", {}).get("$ref")
    return definitions[reference.rsplit("/", 1)[1]] if reference else None


def _table(fields: Any, required: set[str], definitions: dict[str, Any]) -> list[str]:
    lines = ["| Setting | Values | Default | |", "|---|---|---|---|"]
    for name, field in fields:
        default = "**required**" if name in required else f"`{json.dumps(field.get('default'), ensure_ascii=False)}`"
        cells = (f"`{name}`", " · ".join(_values(field, definitions)), default, field.get("description", ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _values(field: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """What a setting may be, from its JSON Schema."""
    if "anyOf" in field:
        for choice in field["anyOf"]:
            yield from _values(choice, definitions)
        return
    if "enum" in field:
        yield from (f"`{value}`" for value in field["enum"])
        return
    if field.get("pattern") == _BYTES_PATTERN:
        yield "text such as `500MB`"
        return
    kind = "section" if "$ref" in field else str(field.get("type", "any"))
    if kind == "object":
        yield "{name: " + " ".join(_values(field["additionalProperties"], definitions)) + ", …}"
        return
    if kind == "array":
        inner = [" ".join(_values(item, definitions)) for item in field.get("prefixItems", [field.get("items", {})])]
        yield "[" + ", ".join(inner) + ("]" if "prefixItems" in field else ", …]")
        return
    limits = [text.format(f"{field[key]:,}".replace(",", " ")) for key, text in _LIMITS.items() if key in field]
    named: dict[str, str] = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "`true` · `false`",
    }
    yield " ".join([named.get(kind, kind), ", ".join(limits)]).strip()


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
