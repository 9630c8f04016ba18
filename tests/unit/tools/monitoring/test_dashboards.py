"""Tests that dashboards are current and consistent, and that each panel describes its expected values."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from support.monitoring.dashboard_queries import FOLDER, dashboards
from support.repository import REPOSITORY
from tools.monitoring.alerts import ALERTS
from tools.monitoring.dashboards import files
from tools.monitoring.dashboards.panels import Advice
from tools.monitoring.fleet_alerts import FLEET_ALERTS

WIDTH = 24


def panels() -> list[tuple[str, dict[str, Any]]]:
    """Return all panels except rows, with the title of their dashboard."""
    return [
        (board["title"].removeprefix("partstream: "), panel)
        for board in dashboards()
        for panel in board["panels"]
        if panel["type"] != "row"
    ]


def test_the_files_are_current() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert written == files.texts(), "run `python -m tools.monitoring.dashboards.files`"


def test_every_panel_describes_expected_values_and_remedies() -> None:
    form = (
        r"\*\*Expected:\*\* .+\n\n\*\*Otherwise:\*\* .+\.(\n\n\*\*Alert:\*\* \w+\. See its section in the runbook\.)?"
    )
    assert [panel["title"] for _, panel in panels() if not re.fullmatch(form, panel["description"])] == []


def test_every_alert_is_on_a_panel_except_the_one_for_an_engine_without_metrics() -> None:
    watched = {name for _, panel in panels() for name in re.findall(r"Partstream\w+", panel["description"])}
    assert {alert.name for alert in (*ALERTS, *FLEET_ALERTS)} - watched == {"PartstreamEngineGone"}


def test_a_panel_with_an_unknown_alert_is_an_error() -> None:
    with pytest.raises(KeyError):
        _ = Advice("0.", "See there.", "PartstreamNoSuchAlert").text


def test_panels_fill_their_lines_without_overlap() -> None:
    for board in dashboards():
        covered: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"] or WIDTH) for y in range(at["h"] or 1)}
            assert not cells & covered, (board["uid"], panel["title"])
            covered |= cells
        lines = {y for _, y in covered}
        assert covered == {(x, y) for x in range(WIDTH) for y in lines}, board["uid"]


def test_every_query_is_limited_to_what_is_selected() -> None:
    for title, panel in panels():
        selected = ('instance=~"$coordinator"', 'node=~"$node"', 'job="partstream-ray"')
        selected = selected if title == "fleet" else ('instance=~"$instance"',)
        for target in panel["targets"]:
            asked = re.findall(r"(?:partstream_|process_|ray_|ALERTS|instance\w*:)[\w:]*(?:\{[^}]*\})?", target["expr"])
            assert asked
            assert all(any(one in selector for one in selected) for selector in asked), (title, target["expr"])


def test_titles_within_a_dashboard_are_unique() -> None:
    named = [(title, panel["title"]) for title, panel in panels()]
    assert len(set(named)) == len(named)


def test_the_runbook_refers_to_existing_panels() -> None:
    shown = {f"{title.removeprefix('one ').capitalize()} › {panel['title']}" for title, panel in panels()}
    text = (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8").replace("\n", " ")
    pointed = {found.replace("One camera", "Camera") for found in re.findall(r"\*([\w ]+ › [^*]+?)\.?\*", text)}
    pointed.remove("Status › Targets")  # Prometheus' own
    assert len(pointed) > 5
    assert pointed - shown == set()


def test_the_operations_guide_refers_to_existing_dashboards_and_panels() -> None:
    text = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8").replace("\n", " ")
    assert set(re.findall(r"\| (partstream: [\w ]+) \|", text)) == {board["title"] for board in dashboards()}
    named = set(re.findall(r"(?<!\*)\*([^*|]+)\*(?!\*)", text)) - {"pipeline", "overview", "fleet"}
    assert len(named) > 4
    assert named <= {panel["title"] for _, panel in panels()}


def test_the_provisioning_names_an_absolute_path_and_the_scrape_interval() -> None:
    provisioning = REPOSITORY / "deploy" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "partstream.yml").read_text())["providers"]
    assert provider["type"] == "file" and provider["options"]["path"].startswith("/")
    (source,) = yaml.safe_load((provisioning / "datasources" / "partstream.yml").read_text())["datasources"]
    scraped = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraped["scrape_interval"]
