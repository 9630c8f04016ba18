"""The rules and the queries of the dashboards in deploy/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from support.repository import REPOSITORY

RULE_FILE = REPOSITORY / "deploy" / "prometheus" / "rules" / "partstream.yml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULE_FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]


def dashboards() -> Iterator[dict[str, Any]]:
    """Yield the contents of the files."""
    for file in sorted((REPOSITORY / "deploy" / "grafana" / "dashboards").glob("*.json")):
        yield json.loads(file.read_text(encoding="utf-8"))


def queries() -> Iterator[tuple[str, str]]:
    """Yield each query of a rule, annotation or panel with its place."""
    for rule in RULES:
        yield rule.get("alert") or rule["record"], rule["expr"]
    for board in dashboards():
        for mark in board["annotations"]["list"]:
            yield f"{board['title']}, annotation", mark["expr"]
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{board['title']}, {panel['title']}", target["expr"]
