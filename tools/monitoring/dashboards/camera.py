"""One camera in detail: is it the camera, the network or the engine?"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from tools.monitoring.alerts import FRAME_AGE_BUDGET_S, LOST_SHARE
from tools.monitoring.dashboards.board import board
from tools.monitoring.dashboards.fleet import DROP_COLOURS, NOW, STATE_COLOURS
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, heat, lines, number, states
from tools.monitoring.promql import happened, quantile, rate, series, total
from tools.monitoring.recording_rules import recorded

THIS = {"instance": "$instance", "camera": "$camera"}
_QUANTILES = (50, 95, 99)


def dashboard() -> Dashboard:
    """A camera's state, frames, losses, age and people."""
    return board(
        "partstream-camera",
        "partstream: one camera",
        "From the connection to the result, from top to bottom: the first row that looks wrong is where to look.",
        [
            ("Now", _numbers()),
            ("Connection", _connection()),
            ("Frames", _frames()),
            ("Age of results", _ages()),
            ("What it sees", _people()),
        ],
        one_camera=True,
    )


def _numbers() -> list[AnyPanel]:
    return [
        number(
            "Live",
            Advice("1.", "Its state below, and why in /api/v1/cameras/ID.", "PartstreamCameraDown"),
            Query(f"max({series('camera_state', state='live', **THIS)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Frames in",
            Advice("The camera's own rate.", "Less: the camera saves, or packets are lost: see Units discarded."),
            Query(f"sum({rate(series('frames_decoded_total', **THIS), NOW)})"),
            unit="cps",
        ),
        number(
            "Frames analysed",
            Advice("max_fps, or the rate of frames in.", "Less: see Dropped, by reason.", "PartstreamNoResults"),
            Query(f"sum({rate(series('frames_processed_total', **THIS), NOW)})"),
            unit="cps",
        ),
        number(
            "Frames lost",
            Advice(f"Under {LOST_SHARE:.0%}.", "Lower max_fps or detector_size.", "PartstreamDropsHigh"),
            Query(f"max({recorded('instance_camera:partstream_frames_lost:ratio', **THIS)})"),
            unit="percentunit",
            steps=[(None, GOOD), (LOST_SHARE / 2, WORSE), (LOST_SHARE, BAD)],
        ),
        number(
            "Age of results, p95",
            Advice(f"Under {FRAME_AGE_BUDGET_S:g} s.", "See the dashboard Pipeline.", "PartstreamFrameAgeHigh"),
            Query(f"max({recorded('instance_camera:partstream_frame_age_seconds:p95', **THIS)})"),
            unit="s",
            steps=[(None, GOOD), (FRAME_AGE_BUDGET_S / 2, WORSE), (FRAME_AGE_BUDGET_S, BAD)],
        ),
        number(
            "People followed",
            Advice("As many as the live page shows.", "Other numbers: look at the live page and at person_score."),
            Query(f"sum({series('tracks_active', **THIS)})"),
        ),
    ]


def _connection() -> list[AnyPanel]:
    return [
        states(
            "State",
            Advice(
                "Live without a break.",
                "reconnecting and stalled: the table of reasons in the runbook.",
                "PartstreamCameraDown",
            ),
            Query(f"max by (state) ({series('camera_state', **THIS)})", "{{state}}"),
            STATE_COLOURS,
            width=16,
        ),
        states(
            "Clock of capture times",
            Advice(
                "rtcp after the first seconds: the camera tells its time. arrival if it never does; media for files.",
                "It flips: the camera sends sender reports only now and then. Switch on NTP and RTCP in the camera.",
            ),
            Query(f"max by (clock) ({series('clock_source', **THIS)})", "{{clock}}"),
            {"rtcp": GOOD, "arrival": WORSE, "media": "blue"},
            width=8,
        ),
        lines(
            "Reconnects, by reason",
            Advice(
                "None.",
                "stalled: network, or a camera that pauses longer than stall_timeout_s. ended: it ends the session.",
                "PartstreamCameraFlapping",
            ),
            Query(total(happened(series("reconnects_total", **THIS), NOW), ("reason",)), "{{reason}}"),
            stacked=True,
        ),
        lines(
            "Units discarded, by reason",
            Advice(
                "None but awaiting_keyframe after a reconnect.",
                "incomplete, corrupt: packets are lost on the way: lower_transport tcp, or another path. overrun: the "
                "host's processor is full.",
            ),
            Query(total(happened(series("units_discarded_total", **THIS), NOW), ("reason",)), "{{reason}}"),
            stacked=True,
        ),
        lines(
            "Other ways than asked for, by reason",
            Advice(
                "None.",
                "It is read, but otherwise than configured (TCP for UDP, software for nvdec): its status says why.",
            ),
            Query(total(series("transport_fallbacks_total", **THIS), ("reason",)), "{{reason}}"),
        ),
    ]


def _frames() -> list[AnyPanel]:
    return [
        lines(
            "Frames in, due, analysed",
            Advice("Due and analysed are one line.", "Analysed below due: see Dropped, by reason."),
            Query(f"sum({rate(series('frames_decoded_total', **THIS), NOW)})", "in"),
            Query(f"sum({recorded('instance_camera:partstream_frames_due:rate5m', **THIS)})", "due"),
            Query(f"sum({rate(series('frames_processed_total', **THIS), NOW)})", "analysed"),
            unit="cps",
            colours={"in": "#888888", "due": "blue", "analysed": GOOD},
        ),
        lines(
            "Dropped, by reason",
            Advice(
                "Green and grey only.",
                "overwritten, stale, all_leased: the engine is too slow. stage_error: the log has the error.",
                "PartstreamDropsHigh",
            ),
            Query(total(rate(series("frames_dropped_total", **THIS), NOW), ("reason",)), "{{reason}}"),
            unit="cps",
            stacked=True,
            colours=DROP_COLOURS,
        ),
        lines(
            "Frames waiting in its ring",
            Advice("0 to 2.", "Near ring_slots: the engine is too slow."),
            Query(f"sum({series('ring_ready_frames', **THIS)})", "waiting"),
        ),
    ]


def _ages() -> list[AnyPanel]:
    return [
        heat(
            "Age of results, all frames",
            Advice("One narrow band.", "A second band: batches with other cameras, or hiccups of the host."),
            Query(total(rate(series("frame_age_seconds", "bucket", **THIS), NOW), ("le",)), "{{le}}"),
            width=8,
        ),
        lines(
            "Age of results",
            Advice(
                f"Under the dashed line at {FRAME_AGE_BUDGET_S:g} s.",
                "Compare with other cameras: only this one: its picture is larger. All: the engine is too slow.",
                "PartstreamFrameAgeHigh",
            ),
            *(
                Query(f"max({recorded(f'instance_camera:partstream_frame_age_seconds:p{q}', **THIS)})", f"p{q}")
                for q in _QUANTILES
            ),
            unit="s",
            limit=FRAME_AGE_BUDGET_S,
            colours={"p50": GOOD, "p95": WORSE, "p99": BAD},
        ),
        lines(
            "Capture to result",
            Advice(
                "The age and some tens of milliseconds. Nothing if the camera doesn't tell its time.",
                "Seconds: the camera's clock is wrong (NTP), or it encodes slowly.",
            ),
            *(Query(quantile(q / 100, "capture_to_publish_seconds", NOW, ("job",), **THIS), f"p{q}") for q in (50, 95)),
            unit="s",
            colours={"p50": GOOD, "p95": WORSE},
        ),
    ]


def _people() -> list[AnyPanel]:
    people = rate(series("people_total", **THIS), NOW)
    frames = rate(series("frames_processed_total", **THIS), NOW)
    return [
        lines(
            "People",
            Advice("As the live page shows.", "0 where there are people: detector_size is too small for far ones."),
            Query(f"sum({series('tracks_active', **THIS)})", "followed now"),
            Query(f"sum({people}) / (sum({frames}) > 0)", "published a frame"),
            width=12,
        ),
        lines(
            "Published, by kind",
            Advice("results as frames analysed; events and status now and then.", "Many status: it comes and goes."),
            Query(total(rate(series("results_published_total", **THIS), NOW), ("topic_kind",)), "{{topic_kind}}"),
            unit="cps",
            width=12,
        ),
    ]
