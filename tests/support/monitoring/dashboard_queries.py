"""The queries of the committed dashboards, as Grafana would send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from support.repository import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "grafana" / "dashboards"


class PanelQuery(NamedTuple):
    """One query of a panel, its variables filled in."""

    dashboard: str
    panel: str
    expression: str


def dashboards() -> list[dict[str, Any]]:
    """The files' contents, in the order of their names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def filled(expression: str, camera: str, rate_interval: str) -> str:
    """All engines, one camera, and a window that suits the rate of scraping."""
    for name, value in {"instance": ".+", "camera": camera, "__rate_interval": rate_interval}.items():
        expression = expression.replace(f"${name}", value)
    assert "$" not in expression, expression
    return expression


def panel_queries(camera: str, rate_interval: str) -> Iterator[PanelQuery]:
    """Every query of every panel, and of the marks for alerts."""
    for dashboard in dashboards():
        marks = [("annotation", mark) for mark in dashboard["annotations"]["list"]]
        targets = [(panel["title"], target) for panel in dashboard["panels"] for target in panel.get("targets", [])]
        for title, target in (*marks, *targets):
            yield PanelQuery(dashboard["uid"], title, filled(target["expr"], camera, rate_interval))
