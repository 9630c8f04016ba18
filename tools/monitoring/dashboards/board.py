"""Common parts of all dashboards: variables, alert annotations and links to the others."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from tools.monitoring.dashboards.panels import PROMETHEUS, AnyPanel
from tools.monitoring.promql import series

TAG = "partstream"
REFRESH = "15s"
"""Prometheus' scrape interval."""

Section = tuple[str, Sequence[AnyPanel]]
"""Heading of a row and its panels from left to right, 24 columns per line."""


def board(
    uid: str, title: str, description: str, sections: Sequence[Section], *, one_camera: bool = False
) -> Dashboard:
    """Return a dashboard for the engines in `$instance`; with `one_camera`, for their camera in `$camera`.

    `$node` narrows the choice of engines, if Prometheus knows them from a fleet's coordinator.
    """
    here = {"instance": "$instance"} | ({"camera": "~$camera|"} if one_camera else {})
    made = _begun(uid, title, description, _alerts("~Partstream.+", **here))
    made.with_variable(_several("node", "Node", f"label_values({series('ready')}, node)").all_value(".*"))
    instances = f"label_values({series('ready', node='$node')}, instance)"
    made.with_variable(_several("instance", "Engine", instances))
    if one_camera:
        cameras = f"label_values({series('frames_decoded_total', instance='$instance')}, camera)"
        made.with_variable(_choice("camera", "Camera", cameras))
    return _with(made, sections)


def fleet_board(uid: str, title: str, description: str, sections: Sequence[Section]) -> Dashboard:
    """Return a dashboard for the coordinator in `$coordinator` and the engines of the nodes in `$node`."""
    made = _begun(uid, title, description, _alerts("~PartstreamFleet.+", instance="$coordinator"))
    made.with_variable(_choice("coordinator", "Coordinator", f"label_values({series('fleet_ready')}, instance)"))
    nodes = f"label_values({series('fleet_engine_cameras', instance='$coordinator')}, node)"
    made.with_variable(_several("node", "Node", nodes).all_value(".*"))
    return _with(made, sections)


def _begun(uid: str, title: str, description: str, alerts: AnnotationQuery) -> Dashboard:
    made = Dashboard(title).uid(uid).description(description).tags([TAG]).timezone("browser").readonly()
    made.time("now-1h", "now").refresh(REFRESH).tooltip(DashboardCursorSync.CROSSHAIR)
    made.with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    return made.annotation(alerts)


def _with(made: Dashboard, sections: Sequence[Section]) -> Dashboard:
    others = DashboardLink("partstream").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    made.link(others.as_dropdown(False).include_vars(True).keep_time(True))
    for heading, panels in sections:
        made.with_row(Row(heading))
        for panel in panels:
            made.with_panel(panel)
    return made


def _several(name: str, label: str, query: str) -> QueryVariable:
    variable = _choice(name, label, query).multi(True).include_all(True)
    return variable.current(VariableOption(selected=True, text="All", value="$__all"))


def _choice(name: str, label: str, query: str) -> QueryVariable:
    variable = QueryVariable(name).label(label).datasource(PROMETHEUS).query(query)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.NATURAL_ASC)


def _alerts(names: str, **here: str) -> AnnotationQuery:
    firing = series("ALERTS", alertname=names, alertstate="firing", **here)
    return AnnotationQuery().name("Alerts").datasource(PROMETHEUS).expr(firing).enable(True).icon_color("red")
