"""Fleet: all cameras of all engines at a glance. Who is on call begins here."""

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
"""Green and grey: chosen; the others are losses."""

_AWAY = tuple(state for state in CAMERA_STATES if state not in ("live", "ended"))
_DUE = recorded("instance_camera:partstream_frames_due:rate5m", **HERE)
_LOST = recorded("instance_camera:partstream_frames_lost:rate5m", **HERE)
_AGE = "instance:partstream_frame_age_seconds:"
_CAMERA_AGE = "instance_camera:partstream_frame_age_seconds:"


def dashboard() -> Dashboard:
    """Cameras by state, frames in, analysed and lost, their age, reconnects."""
    return board(
        "partstream-fleet",
        "partstream: fleet",
        "Every camera of every engine. Begin with the numbers on top; the tables name the worst cameras.",
        [("Now", _numbers()), ("Cameras", _cameras()), ("Frames", _frames()), ("Age of results", _ages())],
    )


def _numbers() -> list[AnyPanel]:
    firing = series("ALERTS", alertname="~Partstream.+", alertstate="firing", **HERE)
    return [
        number(
            "Alerts that fire",
            Advice("0.", "Prometheus' page *Alerts* lists them; docs/runbook.md has a section for each."),
            Query(f"count({firing}) or vector(0)"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "Engines ready",
            Advice("As many as you run.", "Ask those that are missing for /readyz.", "PartstreamEngineUnready"),
            Query(f"sum({series('ready', **HERE)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Cameras live",
            Advice("All that are enabled.", "The table below names those that are away.", "PartstreamCameraDown"),
            Query(f"sum({series('camera_state', state='live', **HERE)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Frames analysed",
            Advice("Steady; cameras × max_fps where that is set.", "See Frames below for where the others go."),
            Query(f"sum({rate(series('frames_processed_total', **HERE), NOW)})"),
            unit="cps",
        ),
        number(
            "Frames lost",
            Advice(
                f"Under {LOST_SHARE:.0%} of those that nobody chose to drop; 0 is usual on a sized engine.",
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
                f"Under {FRAME_AGE_BUDGET_S:g} s from a frame's arrival until its result goes out.",
                "Look at the dashboard Pipeline for the stage that takes the time.",
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
            Advice("Green from bottom to top.", "The table beside names the others.", "PartstreamCameraDown"),
            Query(f"sum by (state) ({recorded('instance_state:partstream_cameras:sum', **HERE)})", "{{state}}"),
            stacked=True,
            colours=STATE_COLOURS,
        ),
        rows(
            "Cameras that are away",
            Advice(
                "Empty.",
                "`/api/v1/status` says why each is away and what to do; so does the runbook.",
                "PartstreamCameraDown",
            ),
            Query(f"{total(series('camera_state', state=_AWAY, **HERE), ('instance', 'camera', 'state'))} == 1"),
            {"instance": "Engine", "camera": "Camera", "state": "State"},
        ),
        lines(
            "Reconnects, by reason",
            Advice(
                "None, or one now and then.",
                "Many of one reason at once: a switch or recorder that the cameras share. One camera: see its own "
                "dashboard.",
                "PartstreamCameraFlapping",
            ),
            Query(total(happened(series("reconnects_total", **HERE), NOW), ("reason",)), "{{reason}}"),
            stacked=True,
        ),
    ]


def _frames() -> list[AnyPanel]:
    return [
        lines(
            "Frames in, due, analysed",
            Advice(
                "Due and analysed are one line: what isn't let go on purpose is analysed.",
                "Analysed below due: the engine is too slow. In falls: cameras are away.",
            ),
            Query(f"sum({rate(series('frames_decoded_total', **HERE), NOW)})", "in"),
            Query(f"sum({_DUE})", "due"),
            Query(f"sum({rate(series('frames_processed_total', **HERE), NOW)})", "analysed"),
            unit="cps",
            colours={"in": "#888888", "due": "blue", "analysed": GOOD},
        ),
        lines(
            "Dropped, by reason",
            Advice(
                "Green and grey only: rate_limited (above max_fps), epoch_ended and shutdown are chosen.",
                "overwritten, stale, all_leased: too slow for what comes in. stage_error: the log has the error.",
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
                "One camera far above the others: its picture is larger or its rate higher; give it max_fps.",
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
    budget = f"Under the dashed line at {FRAME_AGE_BUDGET_S:g} s"
    return [
        heat(
            "Age of results, all frames",
            Advice(
                "One narrow band, far below the budget.",
                "Two bands: cameras or engines that differ, see the worst five. A climbing band: something fills up.",
            ),
            Query(total(rate(series("frame_age_seconds", "bucket", **HERE), NOW), ("le",)), "{{le}}"),
        ),
        lines(
            "Age of results",
            Advice(
                f"{budget}, and p99 not many times p50.",
                "p50 high: the engine is too slow. Only p99 high: hiccups, of a network or of a host that is shared.",
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
            Advice(f"{budget}.", "Open the camera's own dashboard.", "PartstreamFrameAgeHigh"),
            Query(f"topk(5, {recorded(_CAMERA_AGE + 'p95', **HERE)})", "{{camera}} @ {{instance}}"),
            unit="s",
            limit=FRAME_AGE_BUDGET_S,
            width=12,
        ),
        lines(
            "Capture to result, p95, by engine",
            Advice(
                "The age of results and some tens of milliseconds for camera and network. Only of cameras that tell "
                "their time (RTCP).",
                "Far more than the age: the way from the camera, or a camera's clock that is wrong: check its NTP.",
            ),
            Query(quantile(0.95, "capture_to_publish_seconds", NOW, ("instance",), **HERE), "{{instance}}"),
            unit="s",
            width=12,
        ),
    ]
