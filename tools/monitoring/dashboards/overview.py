"""Dashboard with an overview of all cameras of all engines; the place to start when an alert fires."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from telemetry.catalogue import CAMERA_STATES
from tools.monitoring.alerts import FRAME_AGE_BUDGET_S, LOST_SHARE
from tools.monitoring.dashboards.board import board
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, heat, lines, number, rows
from tools.monitoring.promql import happened, quantile, rate, series, total
from tools.monitoring.recording_rules import recorded

HERE = {"instance": "$instance"}
NOW = "$__rate_interval"
STATE_COLOURS = {"live": GOOD, "connecting": "blue", "stalled": WORSE, "reconnecting": BAD, "ended": "#888888"}
DROP_COLOURS = {
    "overwritten": WORSE,
    "stale": "yellow",
    "all_leased": "purple",
    "stage_error": BAD,
    "rate_limited": "#73BF69",
    "epoch_ended": "#888888",
    "shutdown": "#555555",
}
"""Green and grey: intentional drops; other colours: losses."""

_NOT_LIVE = tuple(state for state in CAMERA_STATES if state not in ("live", "ended"))
_DUE = recorded("instance_camera:partstream_frames_due:rate5m", **HERE)
_LOST = recorded("instance_camera:partstream_frames_lost:rate5m", **HERE)
_AGE = "instance:partstream_frame_age_seconds:"
_CAMERA_AGE = "instance_camera:partstream_frame_age_seconds:"


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return board(
        "partstream-overview",
        "partstream: overview",
        "All cameras of all engines. Start with the numbers at the top; the tables name the worst cameras.",
        [("Now", _numbers()), ("Cameras", _cameras()), ("Frames", _frames()), ("Age of results", _ages())],
    )


def _numbers() -> list[AnyPanel]:
    firing = series("ALERTS", alertname="~Partstream.+", alertstate="firing", **HERE)
    return [
        number(
            "Firing alerts",
            Advice("0.", "See the page *Alerts* in Prometheus. docs/runbook.md has a section for each alert."),
            Query(f"count({firing}) or vector(0)"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "Engines ready",
            Advice("The number of your engines.", "Check /readyz of the missing engines.", "PartstreamEngineUnready"),
            Query(f"sum({series('ready', **HERE)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Cameras live",
            Advice("All enabled cameras.", "The table below lists the others.", "PartstreamCameraDown"),
            Query(f"sum({series('camera_state', state='live', **HERE)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Frames processed",
            Advice("Steady; cameras × max_fps if set.", "See the row Frames below for the drops."),
            Query(f"sum({rate(series('frames_processed_total', **HERE), NOW)})"),
            unit="cps",
        ),
        number(
            "Frames lost",
            Advice(
                f"Under {LOST_SHARE:.0%}, intentional drops not counted. 0 on a correctly sized engine.",
                "Lower max_fps or detector_size, or move cameras to another engine.",
                "PartstreamDropsHigh",
            ),
            Query(f"sum({_LOST}) / (sum({_DUE}) > 0)"),
            unit="percentunit",
            steps=[(None, GOOD), (LOST_SHARE / 2, WORSE), (LOST_SHARE, BAD)],
        ),
        number(
            "Age of results, p95",
            Advice(
                f"Under {FRAME_AGE_BUDGET_S:g} s from a frame's arrival until its result is published.",
                "See the dashboard Pipeline for the stage that takes the most time.",
                "PartstreamFrameAgeHigh",
            ),
            Query(f"max({recorded(_AGE + 'p95', **HERE)})"),
            unit="s",
            steps=[(None, GOOD), (FRAME_AGE_BUDGET_S / 2, WORSE), (FRAME_AGE_BUDGET_S, BAD)],
        ),
    ]


def _cameras() -> list[AnyPanel]:
    return [
        lines(
            "Cameras by state",
            Advice("All live (green).", "The table to the right lists the others.", "PartstreamCameraDown"),
            Query(f"sum by (state) ({recorded('instance_state:partstream_cameras:sum', **HERE)})", "{{state}}"),
            stacked=True,
            colours=STATE_COLOURS,
        ),
        rows(
            "Cameras not live",
            Advice(
                "Empty.",
                "`/api/v1/status` gives the reason and the remedy for each; see also the runbook.",
                "PartstreamCameraDown",
            ),
            Query(f"{total(series('camera_state', state=_NOT_LIVE, **HERE), ('instance', 'camera', 'state'))} == 1"),
            {"instance": "Engine", "camera": "Camera", "state": "State"},
        ),
        lines(
            "Reconnects, by reason",
            Advice(
                "None, or one occasionally.",
                "Many with the same reason at once: a shared switch or recorder. A single camera: see its dashboard.",
                "PartstreamCameraFlapping",
            ),
            Query(total(happened(series("reconnects_total", **HERE), NOW), ("reason",)), "{{reason}}"),
            stacked=True,
        ),
    ]


def _frames() -> list[AnyPanel]:
    return [
        lines(
            "Frames decoded, due, processed",
            Advice(
                "Due (decoded without intentional drops) and processed coincide.",
                "Processed is below due: the engine is too slow. Decoded falls: cameras are not live.",
            ),
            Query(f"sum({rate(series('frames_decoded_total', **HERE), NOW)})", "decoded"),
            Query(f"sum({_DUE})", "due"),
            Query(f"sum({rate(series('frames_processed_total', **HERE), NOW)})", "processed"),
            unit="cps",
            colours={"decoded": "#888888", "due": "blue", "processed": GOOD},
        ),
        lines(
            "Dropped, by reason",
            Advice(
                "Green and grey only: rate_limited (above max_fps), epoch_ended and shutdown are intentional.",
                "overwritten, stale, all_leased: the engine is too slow. stage_error: see the log.",
                "PartstreamDropsHigh",
            ),
            Query(total(rate(series("frames_dropped_total", **HERE), NOW), ("reason",)), "{{reason}}"),
            unit="cps",
            stacked=True,
            colours=DROP_COLOURS,
        ),
        lines(
            "Share lost, worst five cameras",
            Advice(
                f"Under the dashed line at {LOST_SHARE:.0%}.",
                "One camera far above the others: it has larger frames or a higher rate. Set its max_fps.",
                "PartstreamDropsHigh",
            ),
            Query(
                f"topk(5, {recorded('instance_camera:partstream_frames_lost:ratio', **HERE)})",
                "{{camera}} @ {{instance}}",
            ),
            unit="percentunit",
            limit=LOST_SHARE,
        ),
    ]


def _ages() -> list[AnyPanel]:
    limit = f"Under the dashed line at {FRAME_AGE_BUDGET_S:g} s"
    return [
        heat(
            "Age of results, all frames",
            Advice(
                "One narrow band, far below the limit.",
                "Two bands: cameras or engines differ, see the worst five. A rising band: a queue grows.",
            ),
            Query(total(rate(series("frame_age_seconds", "bucket", **HERE), NOW), ("le",)), "{{le}}"),
        ),
        lines(
            "Age of results",
            Advice(
                f"{limit}, and p99 only a few times p50.",
                "p50 is high: the engine is too slow. Only p99 is high: pauses of the network or of a shared host.",
                "PartstreamFrameAgeHigh",
            ),
            *(Query(f"max({recorded(f'{_AGE}p{q}', **HERE)})", f"p{q}") for q in (50, 95, 99)),
            unit="s",
            limit=FRAME_AGE_BUDGET_S,
            colours={"p50": GOOD, "p95": WORSE, "p99": BAD},
            width=12,
        ),
        lines(
            "Age of results, p95, worst five cameras",
            Advice(f"{limit}.", "See the camera's own dashboard.", "PartstreamFrameAgeHigh"),
            Query(f"topk(5, {recorded(_CAMERA_AGE + 'p95', **HERE)})", "{{camera}} @ {{instance}}"),
            unit="s",
            limit=FRAME_AGE_BUDGET_S,
            width=12,
        ),
        lines(
            "Capture to result, p95, by engine",
            Advice(
                "The age of results plus some tens of milliseconds for camera and network. Only cameras that send "
                "their clock (RTCP).",
                "Far above the age of results: a slow network, or a wrong clock in a camera. Check its NTP.",
            ),
            Query(quantile(0.95, "capture_to_publish_seconds", NOW, ("instance",), **HERE), "{{instance}}"),
            unit="s",
            width=12,
        ),
    ]
