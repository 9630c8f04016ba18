"""Dashboard of a fleet: its coordinator, its engines, and where cameras are."""

from __future__ import annotations

from typing import get_args

from grafana_foundation_sdk.builders.dashboard import Dashboard

from fleet.placement.moves import NO_MOVES, Cause
from tools.monitoring.alerts import FRAME_AGE_BUDGET_S
from tools.monitoring.dashboards.board import fleet_board
from tools.monitoring.dashboards.overview import NOW
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, lines, number
from tools.monitoring.fleet_alerts import FLAPS_IN_15_MIN, FLEET_JOB, FULL_SHARE
from tools.monitoring.promql import happened, quantile, rate, series, total
from tools.monitoring.recording_rules import UNWANTED_DROPS

OF_COORDINATOR = {"instance": "$coordinator"}
OF_ENGINE = {"instance": "$coordinator", "node": "$node"}
"""Of the coordinator's series about an engine."""
SCRAPED = {"node": "$node"}
"""Of the engines' own series: Prometheus knows their nodes from the coordinator."""
RAY_JOB = "partstream-ray"
AGENTS = {"Name": "AgentActor", "Source": "gcs", "State": "ALIVE"}
MOVES = tuple(sorted({*get_args(Cause)} - NO_MOVES))
STATE_COLOURS = {"leased": GOOD, "draining": "blue", "stopping": "yellow", "stopped": "#888888", "lost": BAD}
PLACE_COLOURS = {"placed": GOOD, "moving": "blue", "unplaced": BAD, "disabled": "#888888"}


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return fleet_board(
        "partstream-fleet",
        "partstream: fleet",
        "Coordinator, engines and moves of cameras. The overview shows the cameras' results.",
        [
            ("Now", _numbers()),
            ("Engines and cameras", _placement()),
            ("Load and room", _load()),
            ("Results, by node", _results()),
            ("Coordinator", _coordinator()),
        ],
    )


def _numbers() -> list[AnyPanel]:
    cameras = series("fleet_cameras", state=("placed", "moving"), **OF_COORDINATOR)
    room = f"sum({series('fleet_engine_room_mpx', **OF_ENGINE)})"
    return [
        number(
            "Coordinator ready",
            Advice("1; 0 for some seconds after a start.", "See Ready, settled, writable.", "PartstreamFleetUnready"),
            Query(f"min({series('fleet_ready', **OF_COORDINATOR)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Engines with a lease",
            Advice("The number of your engines.", "See Engines, by state.", "PartstreamFleetEngineLost"),
            Query(f"sum({series('fleet_engines', state=('leased', 'draining', 'stopping'), **OF_COORDINATOR)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Engines lost",
            Advice("0.", "`partstream fleet status` names them, with the reason.", "PartstreamFleetEngineLost"),
            Query(f"sum({series('fleet_engines', state='lost', **OF_COORDINATOR)})"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "Cameras with an engine",
            Advice("All enabled cameras.", "See Unplaced cameras, by reason.", "PartstreamFleetCamerasUnplaced"),
            Query(f"sum({cameras})"),
        ),
        number(
            "Cameras without an engine",
            Advice("0.", "See Unplaced cameras, by reason.", "PartstreamFleetCamerasUnplaced"),
            Query(f"sum({series('fleet_unplaced_cameras', **OF_COORDINATOR)})"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "Free capacity",
            Advice(
                "More than the share of the largest engine, so that its cameras find room if it is lost.",
                "Add an engine, or lower max_fps.",
                "PartstreamFleetEngineFull",
            ),
            Query(f"{room} / (sum({series('fleet_engine_capacity_mpx', **OF_ENGINE)}) > 0)"),
            unit="percentunit",
            steps=[(None, BAD), (0.05, WORSE), (0.2, GOOD)],
        ),
    ]


def _placement() -> list[AnyPanel]:
    moves = rate(series("fleet_assignments_total", reason=MOVES, **OF_COORDINATOR), NOW)
    return [
        lines(
            "Engines, by state",
            Advice("All leased.", "lost: see the runbook. stopped: they ended in order.", "PartstreamFleetEngineLost"),
            Query(total(series("fleet_engines", **OF_COORDINATOR), ("state",)), "{{state}}"),
            stacked=True,
            colours=STATE_COLOURS,
        ),
        lines(
            "Cameras, by place",
            Advice("All placed; moving for some seconds.", "moving for long: they do not become live elsewhere."),
            Query(total(series("fleet_cameras", **OF_COORDINATOR), ("state",)), "{{state}}"),
            stacked=True,
            colours=PLACE_COLOURS,
        ),
        lines(
            "Unplaced cameras, by reason",
            Advice("None.", "The runbook has a table of the reasons.", "PartstreamFleetCamerasUnplaced"),
            Query(total(series("fleet_unplaced_cameras", **OF_COORDINATOR), ("reason",)), "{{reason}}"),
            stacked=True,
        ),
        lines(
            "Moves per minute, by reason",
            Advice(
                "None, except during drains and after the loss of an engine.",
                "balanced: engines are overloaded. refused: cameras are not live in time.",
                "PartstreamFleetMovesHigh",
            ),
            Query(f"60 * {total(moves, ('reason',))}", "{{reason}}"),
            stacked=True,
        ),
        lines(
            "Moves in 15 minutes, by camera",
            Advice(
                f"No data, or up to the dashed line at {FLAPS_IN_15_MIN}.",
                "Such a camera moves from engine to engine: see the runbook.",
                "PartstreamFleetCameraFlapping",
            ),
            Query(f"topk(10, max by (camera) ({series('fleet_camera_moves', **OF_COORDINATOR)}))", "{{camera}}"),
            limit=FLAPS_IN_15_MIN,
        ),
        lines(
            "Engines that were lost, by reason",
            Advice(
                "stopped only.",
                "silent: the machine or the network. ended: the process has failed. restarted: it began again before "
                "its lease was over.",
                "PartstreamFleetEngineLost",
            ),
            Query(
                total(happened(series("fleet_engines_lost_total", **OF_COORDINATOR), NOW), ("reason",)), "{{reason}}"
            ),
            stacked=True,
        ),
    ]


def _load() -> list[AnyPanel]:
    load, room = (series(f"fleet_engine_{name}_mpx", **OF_ENGINE) for name in ("load", "room"))
    one = f"{series('ready', **SCRAPED)} ^ 0"
    return [
        lines(
            "Load, share of the capacity",
            Advice(
                f"Similar on all engines, under the dashed line at {FULL_SHARE:.0%}.",
                "One is high: it has a pinned or an expensive camera. All are high: add an engine.",
                "PartstreamFleetEngineFull",
            ),
            Query(f"{load} / ({series('fleet_engine_capacity_mpx', **OF_ENGINE)} > 0)", "{{engine}}"),
            unit="percentunit",
            limit=FULL_SHARE,
            width=6,
        ),
        lines(
            "Room, by engine",
            Advice(
                "More megapixels per second than a camera costs (width × height × frame rate / 10⁶).",
                "0: the engine is full, drained or stopping.",
                "PartstreamFleetEngineFull",
            ),
            Query(total(room, ("engine",)), "{{engine}}"),
            width=6,
        ),
        lines(
            "Load and room, by node",
            Advice("Room on more than one node.", "Room on one node only: its loss leaves cameras without an engine."),
            Query(total(load, ("node",)), "load, {{node}}"),
            Query(total(room, ("node",)), "room, {{node}}"),
            width=6,
        ),
        lines(
            "Room, by GPU",
            Advice(
                "Room for every kind. Needs the label gpu in nodes.NAME.labels; without it, one line.",
                "Cameras that need the kind without room stay unplaced: add an engine with it.",
            ),
            Query(f"sum by (gpu) ({room} * on (engine) group_left (gpu) ({one}))", "GPU {{gpu}}"),
            width=6,
        ),
    ]


def _results() -> list[AnyPanel]:
    by_node = ("node",)
    lost = rate(series("frames_dropped_total", reason=UNWANTED_DROPS, **SCRAPED), NOW)
    return [
        lines(
            "Age of results",
            Advice(
                f"Under the dashed line at {FRAME_AGE_BUDGET_S:g} s on every node.",
                "One node is high: select its engine in the dashboard Pipeline.",
                "PartstreamFrameAgeHigh",
            ),
            *(
                Query(quantile(q / 100, "frame_age_seconds", NOW, by_node, **SCRAPED), f"p{q}, {{{{node}}}}")
                for q in (50, 99)
            ),
            unit="s",
            limit=FRAME_AGE_BUDGET_S,
            width=6,
        ),
        lines(
            "Frames processed",
            Advice("Steady.", "One node falls: its cameras moved, or are not live.", "PartstreamNoResults"),
            Query(total(rate(series("frames_processed_total", **SCRAPED), NOW), by_node), "{{node}}"),
            unit="cps",
            stacked=True,
            width=6,
        ),
        lines(
            "Frames lost",
            Advice(
                "0; drops by max_fps are not counted.",
                "The node is overloaded, and the coordinator moves cameras away if others have room.",
                "PartstreamDropsHigh",
            ),
            Query(total(lost, by_node), "{{node}}"),
            unit="cps",
            width=6,
        ),
        lines(
            "Messages withheld",
            Advice(
                "0, or a few when a camera leaves an engine.",
                "The engine's lease has ended (fence: strict): it does not reach the coordinator.",
                "PartstreamFleetEngineLost",
            ),
            Query(total(rate(series("withheld_total", **SCRAPED), NOW), ("engine",)), "{{engine}}"),
            unit="cps",
            width=6,
        ),
    ]


def _coordinator() -> list[AnyPanel]:
    renewals = rate(series("fleet_renewals_total", **OF_COORDINATOR), NOW)
    refused = happened(series("fleet_curve_refused_total", **OF_COORDINATOR), NOW)
    errors = happened(series("fleet_store_errors_total", **OF_COORDINATOR), NOW)
    return [
        lines(
            "Renewals, by outcome",
            Advice(
                "granted only: four for each engine in placement.ttl_s.",
                "refused: a name, a version or the limit; see the log. limited, invalid: an engine with an error.",
                "PartstreamFleetEngineRefused",
            ),
            Query(total(renewals, ("outcome",)), "{{outcome}}"),
            unit="cps",
            stacked=True,
        ),
        lines(
            "Silence of engines, longest five",
            Advice("Under placement.ttl_s (2 s).", "The machine or the network is slow.", "PartstreamFleetEngineLost"),
            Query(f"topk(5, max by (engine) ({series('fleet_engine_heard_seconds', **OF_ENGINE)}))", "{{engine}}"),
            unit="s",
        ),
        lines(
            "Clients refused by their key",
            Advice(
                "0.", "List the key in curve_engine_keys (bind) or curve_allowed_keys.", "PartstreamFleetEngineRefused"
            ),
            Query(total(refused, ("socket",)), "{{socket}}"),
        ),
        lines(
            "Nodes and agents of Ray",
            Advice(
                "Both the number of your nodes. No data without the job partstream-ray.",
                "Fewer: `partstream fleet up` or Ray has ended there. Engines go on, but are not started again.",
            ),
            Query(f"sum({series('ray_cluster_active_nodes', job=RAY_JOB)})", "nodes"),
            Query(f"sum({series('ray_actors', job=RAY_JOB, **AGENTS)})", "agents"),
        ),
        lines(
            "Ready, settled, writable",
            Advice(
                "All 1.",
                "settled 0: it listens to the engines. writable 0: see the store.",
                "PartstreamFleetStoreUnwritable",
            ),
            *(
                Query(f"min({series(name, **OF_COORDINATOR)})", legend)
                for name, legend in (
                    ("fleet_ready", "ready"),
                    ("fleet_settled", "settled"),
                    ("fleet_store_writable", "writable"),
                )
            ),
        ),
        lines(
            "Store",
            Advice("0.", "The disk is full or slow: nothing is placed or moved.", "PartstreamFleetStoreUnwritable"),
            Query(f"sum({series('fleet_unwritten', **OF_COORDINATOR)})", "decisions that wait"),
            Query(f"sum({errors})", "errors"),
            colours={"errors": BAD},
        ),
        lines(
            "CPU cores of the coordinator",
            Advice(
                "A twentieth for 1,000 cameras on 50 engines.",
                "Near 1: it answers late, and engines lose their leases. Raise placement.ttl_s.",
            ),
            Query(
                total(rate(series("process_cpu_seconds_total", job=FLEET_JOB, **OF_COORDINATOR), NOW), ("instance",)),
                "{{instance}}",
            ),
            width=12,
        ),
        lines(
            "Memory of the coordinator",
            Advice(
                "Constant; about 130 MiB with a few cameras.",
                "A gap: it was away. A steady rise: report it to the developers.",
                "PartstreamFleetCoordinatorGone",
            ),
            Query(series("process_resident_memory_bytes", job=FLEET_JOB, **OF_COORDINATOR), "{{instance}}"),
            unit="bytes",
            width=12,
        ),
    ]
