"""Every query of the dashboards and rules in deploy/ asks for metrics and labels that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.metrics import METRICS as CONTROLLER
from fleet.proxy import METRICS as PROXY
from support.monitoring.dashboard_queries import RULES, dashboards, queries
from support.repository import REPOSITORY
from telemetry.catalogue import METRICS

SCRAPED = {"job", "instance", "engine", "node"}
"""Labels that Prometheus adds."""
OUTSIDE = {
    "up": set[str](),
    "ALERTS": {"alertname", "alertstate", "severity", "camera"},
    "ray_actors": {"Name", "Source", "State"},
    "ray_cluster_active_nodes": set[str](),
}
SELECTOR = re.compile(r"\b((?:partstream|process|ray|instance)\w*(?::\w+)*|up|ALERTS)\b(?:\{([^}]*)\})?(?!\()")
WORDS = {"instance"}
"""Names of labels that look like metrics."""


def known() -> dict[str, set[str]]:
    """Return the labels of each series that an engine, a controller, Prometheus or a rule has."""
    found = dict(OUTSIDE)
    for spec in (*METRICS, *CONTROLLER, *PROXY):
        parts = ("_bucket", "_sum", "_count") if spec.kind == "histogram" else ("",)
        found |= {spec.full_name + part: {*spec.labels, *({"le"} if part == "_bucket" else ())} for part in parts}
    for name in ("resident_memory_bytes", "cpu_seconds_total", "start_time_seconds", "open_fds", "max_fds"):
        found[f"process_{name}"] = set()
    for rule in RULES:
        if "record" in rule:
            found[rule["record"]] = set(rule["record"].partition(":")[0].split("_"))
    return found


def variables() -> Iterator[tuple[str, str]]:
    """Yield each query of a dashboard's variable with its place."""
    for board in dashboards():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{board['title']}, ${variable['name']}", variable["query"]


def test_every_query_asks_for_metrics_and_labels_that_exist() -> None:
    labels_of, asked, wrong = known(), set[str](), list[tuple[str, str]]()
    for place, query in (*queries(), *variables()):
        for name, matchers in SELECTOR.findall(re.sub(r"\b(?:by|on|without|ignoring) \([^)]*\)", "", query)):
            if name in WORDS:
                continue
            asked.add(name)
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            if name not in labels_of or not labels <= labels_of[name] | SCRAPED:
                wrong.append((place, f"{name}{{{matchers}}}"))
    assert not wrong
    assert len(asked) > 50


def test_every_alert_has_a_section_of_the_runbook() -> None:
    sections = re.findall(r"^## (\w+)$", (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    alerts = [rule for rule in RULES if "alert" in rule]
    assert sorted(sections) == sorted(rule["alert"] for rule in alerts)
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
