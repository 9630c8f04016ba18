"""Queries of the committed dashboards, as Grafana sends them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from support.repository import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "grafana" / "dashboards"
FLEET = "partstream-fleet"
"""The dashboard that needs a coordinator; the others need an engine."""


class PanelQuery(NamedTuple):
    """A query of a panel, with its variables replaced."""

    dashboard: str
    panel: str
    expression: str


def dashboards() -> list[dict[str, Any]]:
    """Return the contents of the files in the order of their names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def filled(expression: str, camera: str, rate_interval: str) -> str:
    """Return the expression for all engines and coordinators, one camera, and the rate interval."""
    every = {"instance": ".+", "coordinator": ".+", "node": ".*"}
    for name, value in (every | {"camera": camera, "__rate_interval": rate_interval}).items():
        expression = expression.replace(f"${name}", value)
    assert "$" not in expression, expression
    return expression


def panel_queries(camera: str, rate_interval: str, *, fleet: bool = False) -> Iterator[PanelQuery]:
    """Yield the queries of the panels and alert annotations of an engine's dashboards, or of the fleet's."""
    for dashboard in dashboards():
        if (dashboard["uid"] == FLEET) is not fleet:
            continue
        marks = [("annotation", mark) for mark in dashboard["annotations"]["list"]]
        targets = [(panel["title"], target) for panel in dashboard["panels"] for target in panel.get("targets", [])]
        for title, target in (*marks, *targets):
            yield PanelQuery(dashboard["uid"], title, filled(target["expr"], camera, rate_interval))
