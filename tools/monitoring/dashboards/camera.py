"""Dashboard of one camera: is the cause the camera, the network or the engine?"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from tools.monitoring.alerts import FRAME_AGE_BUDGET_S, LOST_SHARE
from tools.monitoring.dashboards.board import board
from tools.monitoring.dashboards.overview import DROP_COLOURS, NOW, STATE_COLOURS
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, heat, lines, number, states
from tools.monitoring.promql import happened, quantile, rate, series, total
from tools.monitoring.recording_rules import recorded

THIS = {"instance": "$instance", "camera": "$camera"}
_QUANTILES = (50, 95, 99)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return board(
        "partstream-camera",
        "partstream: one camera",
        "From the connection at the top to the result at the bottom. Start at the first row with unexpected values.",
        [
            ("Now", _numbers()),
            ("Connection", _connection()),
            ("Frames", _frames()),
            ("Age of results", _ages()),
            ("People", _people()),
        ],
        one_camera=True,
    )


def _numbers() -> list[AnyPanel]:
    return [
        number(
            "Live",
            Advice("1.", "See State below; /api/v1/cameras/ID gives the reason.", "PartstreamCameraDown"),
            Query(f"max({series('camera_state', state='live', **THIS)})"),
            steps=[(None, BAD), (1, GOOD)],
        ),
        number(
            "Frames decoded",
            Advice(
                "The camera's frame rate.", "Lower: packets are lost, see Units discarded, or the camera sends less."
            ),
            Query(f"sum({rate(series('frames_decoded_total', **THIS), NOW)})"),
            unit="cps",
        ),
        number(
            "Frames processed",
            Advice("max_fps, or the rate of decoded frames.", "Lower: see Dropped, by reason.", "PartstreamNoResults"),
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
            "People tracked",
            Advice("The people in view.", "Otherwise, compare the live page and check person_score."),
            Query(f"sum({series('tracks_active', **THIS)})"),
        ),
    ]


def _connection() -> list[AnyPanel]:
    return [
        states(
            "State",
            Advice(
                "Always live.",
                "reconnecting or stalled: see the table of reasons in the runbook.",
                "PartstreamCameraDown",
            ),
            Query(f"max by (state) ({series('camera_state', **THIS)})", "{{state}}"),
            STATE_COLOURS,
            width=16,
        ),
        states(
            "Clock of capture times",
            Advice(
                "rtcp after a few seconds if the camera sends its clock, else arrival; media for files.",
                "It alternates: the camera sends sender reports irregularly. Enable NTP and RTCP in the camera.",
            ),
            Query(f"max by (clock) ({series('clock_source', **THIS)})", "{{clock}}"),
            {"rtcp": GOOD, "arrival": WORSE, "media": "blue"},
            width=8,
        ),
        lines(
            "Reconnects, by reason",
            Advice(
                "None.",
                "stalled: the network, or pauses longer than stall_timeout_s. ended: the camera ends the session.",
                "PartstreamCameraFlapping",
            ),
            Query(total(happened(series("reconnects_total", **THIS), NOW), ("reason",)), "{{reason}}"),
            stacked=True,
        ),
        lines(
            "Units discarded, by reason",
            Advice(
                "None, except awaiting_keyframe after a reconnection.",
                "incomplete, corrupt: packets are lost; set lower_transport to tcp or use another path. overrun: the "
                "host's CPU is overloaded.",
            ),
            Query(total(happened(series("units_discarded_total", **THIS), NOW), ("reason",)), "{{reason}}"),
            stacked=True,
        ),
        lines(
            "Fallbacks, by reason",
            Advice(
                "None.",
                "The camera is not read as configured: TCP instead of UDP, or CPU instead of nvdec. Its status gives "
                "the reason.",
            ),
            Query(total(series("transport_fallbacks_total", **THIS), ("reason",)), "{{reason}}"),
        ),
    ]


def _frames() -> list[AnyPanel]:
    return [
        lines(
            "Frames decoded, due, processed",
            Advice("Due and processed coincide.", "Processed is below due: see Dropped, by reason."),
            Query(f"sum({rate(series('frames_decoded_total', **THIS), NOW)})", "decoded"),
            Query(f"sum({recorded('instance_camera:partstream_frames_due:rate5m', **THIS)})", "due"),
            Query(f"sum({rate(series('frames_processed_total', **THIS), NOW)})", "processed"),
            unit="cps",
            colours={"decoded": "#888888", "due": "blue", "processed": GOOD},
        ),
        lines(
            "Dropped, by reason",
            Advice(
                "Green and grey only (intentional drops).",
                "overwritten, stale, all_leased: the engine is too slow. stage_error: see the log.",
                "PartstreamDropsHigh",
            ),
            Query(total(rate(series("frames_dropped_total", **THIS), NOW), ("reason",)), "{{reason}}"),
            unit="cps",
            stacked=True,
            colours=DROP_COLOURS,
        ),
        lines(
            "Frames waiting in the ring",
            Advice("0 to 2.", "Near ring_slots: the engine is too slow."),
            Query(f"sum({series('ring_ready_frames', **THIS)})", "waiting"),
        ),
    ]


def _ages() -> list[AnyPanel]:
    return [
        heat(
            "Age of results, all frames",
            Advice("One narrow band.", "A second band: batches with other cameras, or pauses of the host."),
            Query(total(rate(series("frame_age_seconds", "bucket", **THIS), NOW), ("le",)), "{{le}}"),
            width=8,
        ),
        lines(
            "Age of results",
            Advice(
                f"Under the dashed line at {FRAME_AGE_BUDGET_S:g} s.",
                "Only this camera is high: its frames are larger. All cameras are high: the engine is too slow.",
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
                "The age plus some tens of milliseconds. No data if the camera does not send its clock.",
                "Seconds: the camera's clock is wrong (NTP), or the camera encodes slowly.",
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
            Advice("As on the live page.", "0 with people in view: detector_size is too small for distant people."),
            Query(f"sum({series('tracks_active', **THIS)})", "tracked"),
            Query(f"sum({people}) / (sum({frames}) > 0)", "published per frame"),
            width=12,
        ),
        lines(
            "Messages published, by kind",
            Advice(
                "results: one per processed frame; few events and status.",
                "Many status: the camera keeps reconnecting.",
            ),
            Query(total(rate(series("results_published_total", **THIS), NOW), ("topic_kind",)), "{{topic_kind}}"),
            unit="cps",
            width=12,
        ),
    ]
