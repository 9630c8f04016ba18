"""Subscribers: what leaves the engine, over ZeroMQ, HTTP, WebRTC and to disk, and what its readers missed.

A subscriber alone knows its gaps: ZeroMQ drops for a slow one without telling the publisher. What the engine sees of
them is that they ask again.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from tools.monitoring.dashboards.board import board
from tools.monitoring.dashboards.fleet import HERE, NOW
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, lines, number, states
from tools.monitoring.promql import happened, increase, rate, series, total

_REPLAY_COLOURS = {"ok": GOOD, "too_old": WORSE, "unknown_run": "blue", "bad_request": BAD}


def dashboard() -> Dashboard:
    """Messages published, gaps and replays, HTTP and live video, clips."""
    return board(
        "partstream-subscribers",
        "partstream: subscribers",
        "Who gets what. A subscriber counts its own gaps; here one sees when it asks for what it missed.",
        [
            ("Now", _numbers()),
            ("ZeroMQ", _published()),
            ("Gaps and replays", _replays()),
            ("HTTP and live video", _http()),
            ("Clips (without recording there are none)", _clips()),
        ],
    )


def _numbers() -> list[AnyPanel]:
    return [
        number(
            "Subscriptions now",
            Advice("As many as your consumers make.", "Fewer: one is gone, or its key isn't listed."),
            Query(f"sum({series('subscriptions', **HERE)})"),
        ),
        number(
            "Messages published",
            Advice("Frames analysed, and a few more.", "0: see the dashboard Fleet.", "PartstreamNoResults"),
            Query(f"sum({rate(series('results_published_total', **HERE), NOW)})"),
            unit="cps",
        ),
        number(
            "Replays too old, last hour",
            Advice("0.", "Somebody lost messages for good: more publish.history_messages, or a faster reader."),
            Query(f"sum({increase(series('replay_requests_total', status='too_old', **HERE), '1h')})"),
            steps=[(None, GOOD), (1, WORSE)],
        ),
        number(
            "Refused keys, last hour",
            Advice("0.", "A client that isn't listed, or somebody who tries: the log has the address."),
            Query(f"sum({increase(series('curve_refused_total', **HERE), '1h')})"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "HTTP streams",
            Advice("Two for each live page, one for each event stream.", "At http.max_streams others are refused."),
            Query(f"sum({series('http_streams', **HERE)})"),
        ),
        number(
            "Viewers of live video",
            Advice("Whoever looks.", "At webrtc.max_viewers others are shown JPEGs."),
            Query(f"sum({series('video_viewers', **HERE)})"),
        ),
    ]


def _published() -> list[AnyPanel]:
    return [
        lines(
            "Published, by kind",
            Advice("results as frames analysed, stats once a second.", "Many status: cameras that come and go."),
            Query(total(rate(series("results_published_total", **HERE), NOW), ("topic_kind",)), "{{topic_kind}}"),
            unit="cps",
        ),
        lines(
            "Subscriptions",
            Advice("Level.", "Steps down: consumers that fell; up and down: one that restarts over and over."),
            Query(total(series("subscriptions", **HERE), ("instance",)), "{{instance}}"),
        ),
        lines(
            "Clients refused by their key",
            Advice("0.", "Add the client's public key to publish.curve_allowed_keys, or find out who tries."),
            Query(total(happened(series("curve_refused_total", **HERE), NOW), ("instance",)), "{{instance}}"),
        ),
    ]


def _replays() -> list[AnyPanel]:
    return [
        lines(
            "Gaps: requests for missed messages",
            Advice(
                "None, or a few after a network fault, all ok.",
                "Many ok: a reader is too slow, it should do less for each message or use several processes. too_old: "
                "lost for good. unknown_run: the engine was restarted. bad_request: a client's fault.",
            ),
            Query(total(happened(series("replay_requests_total", **HERE), NOW), ("status",)), "{{status}}"),
            stacked=True,
            colours=_REPLAY_COLOURS,
        ),
        lines(
            "Messages sent again",
            Advice("0 most of the time.", "As many as are published: a reader lives on replays; see Gaps."),
            Query(total(rate(series("replayed_messages_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            unit="cps",
        ),
        lines(
            "Messages that left the history",
            Advice(
                "As many as are published, once it is full: each holds its last publish.history_messages.",
                "More than published: publish.history_bytes is too small for as many messages.",
            ),
            Query(total(rate(series("history_evicted_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            unit="cps",
        ),
    ]


def _http() -> list[AnyPanel]:
    skipped = "What a reader was too slow for, and what gave way to newer pictures"
    return [
        lines(
            "HTTP requests refused, by reason",
            Advice(
                "None.",
                "unauthorised: a wrong token, or somebody who tries. too-many-…: a limit of http or webrtc settings.",
            ),
            Query(f"{total(happened(series('http_refused_total', **HERE), NOW), ('reason',))} > 0", "{{reason}}"),
            stacked=True,
            width=6,
        ),
        lines(
            "Skipped for slow readers",
            Advice(
                f"0, or little. {skipped}.",
                "events: a reader of the event stream is slow. pictures, video: a viewer's line is.",
            ),
            Query(f"sum({rate(series('http_events_skipped_total', **HERE), NOW)})", "events"),
            Query(f"sum({rate(series('live_pictures_skipped_total', **HERE), NOW)})", "pictures"),
            Query(f"sum({rate(series('video_units_skipped_total', **HERE), NOW)})", "video"),
            unit="cps",
            width=6,
        ),
        lines(
            "Watching",
            Advice("Follows who is at work.", "Pictures without streams: tell the developers."),
            Query(f"sum({series('http_streams', **HERE)})", "HTTP streams"),
            Query(f"sum({series('video_viewers', **HERE)})", "viewers of video"),
            Query(f"sum({rate(series('live_pictures_total', **HERE), NOW)})", "pictures a second"),
            width=6,
        ),
        lines(
            "WebRTC connections, by ICE state",
            Advice("completed only.", "checking for long, or failed: a firewall; see ice_servers in docs/webrtc.md."),
            Query(total(series("webrtc_sessions", **HERE), ("ice",)), "{{ice}}"),
            stacked=True,
            width=6,
            colours={"completed": GOOD, "failed": BAD, "checking": WORSE, "new": "blue", "closed": "#888888"},
        ),
    ]


def _clips() -> list[AnyPanel]:
    return [
        states(
            "State of recording",
            Advice("ready.", "low_disk: free the disk. unwritable: mount it.", "PartstreamRecordingImpaired"),
            Query(f"max by (state) ({series('recording_state', **HERE)})", "{{state}}"),
            {"ready": GOOD, "low_disk": WORSE, "unwritable": BAD},
            width=8,
        ),
        lines(
            "Clips written and failed",
            Advice("Written, none failed.", "docs/recording.md has the reasons.", "PartstreamRecordingImpaired"),
            Query(f"sum({happened(series('clips_written_total', **HERE), NOW)})", "written"),
            Query(f"sum({happened(series('clips_failed_total', **HERE), NOW)})", "failed"),
            colours={"written": GOOD, "failed": BAD},
        ),
        lines(
            "Held for clips",
            Advice("Below recording.budget on disk; in memory below recording.packet_bytes a camera.", "Lower them."),
            Query(f"sum({series('clips_bytes', **HERE)})", "on disk"),
            Query(f"sum({series('clip_packet_bytes', **HERE)})", "in memory"),
            unit="bytes",
        ),
    ]
