"""Dashboard of the outputs: ZeroMQ, HTTP, WebRTC and clips, with replays of missed messages.

Only subscribers know their gaps, because ZeroMQ drops messages for slow subscribers without telling the publisher. The
engine sees the replay requests.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from tools.monitoring.dashboards.board import board
from tools.monitoring.dashboards.overview import HERE, NOW
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, lines, number, states
from tools.monitoring.promql import happened, increase, rate, series, total

_REPLAY_COLOURS = {"ok": GOOD, "too_old": WORSE, "unknown_run": "blue", "bad_request": BAD}


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return board(
        "partstream-subscribers",
        "partstream: subscribers",
        "Messages, live video and clips. Subscribers count their own gaps; this shows their replay requests.",
        [
            ("Now", _numbers()),
            ("ZeroMQ", _published()),
            ("Gaps and replays", _replays()),
            ("HTTP and live video", _http()),
            ("Files (only with results or recording)", _files()),
        ],
    )


def _numbers() -> list[AnyPanel]:
    return [
        number(
            "Active subscriptions",
            Advice("Those of all your subscribers.", "Fewer: a subscriber has ended, or its key is not listed."),
            Query(f"sum({series('subscriptions', **HERE)})"),
        ),
        number(
            "Messages published",
            Advice("Slightly more than frames processed.", "0: see the dashboard Overview.", "PartstreamNoResults"),
            Query(f"sum({rate(series('results_published_total', **HERE), NOW)})"),
            unit="cps",
        ),
        number(
            "Replays too old, last hour",
            Advice("0.", "Messages were lost: raise publish.history_messages or speed up the subscriber."),
            Query(f"sum({increase(series('replay_requests_total', status='too_old', **HERE), '1h')})"),
            steps=[(None, GOOD), (1, WORSE)],
        ),
        number(
            "Refused keys, last hour",
            Advice("0.", "An unlisted client or an intrusion attempt: the log has the address."),
            Query(f"sum({increase(series('curve_refused_total', **HERE), '1h')})"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "HTTP streams",
            Advice("Two per live page, one per event stream.", "At http.max_streams, further ones are refused."),
            Query(f"sum({series('http_streams', **HERE)})"),
        ),
        number(
            "Viewers of live video",
            Advice("The open live pages.", "At webrtc.max_viewers, further viewers receive JPEG pictures."),
            Query(f"sum({series('video_viewers', **HERE)})"),
        ),
    ]


def _published() -> list[AnyPanel]:
    return [
        lines(
            "Messages published, by kind",
            Advice(
                "results: one per processed frame; stats: one per second.", "Many status: cameras keep reconnecting."
            ),
            Query(total(rate(series("results_published_total", **HERE), NOW), ("topic_kind",)), "{{topic_kind}}"),
            unit="cps",
            width=12,
        ),
        lines(
            "Subscriptions",
            Advice("Constant.", "A step down: a subscriber has ended. Up and down: one keeps restarting."),
            Query(total(series("subscriptions", **HERE), ("instance",)), "{{instance}}"),
            width=6,
        ),
        lines(
            "Clients refused by their key",
            Advice("0.", "Add the client's public key to publish.curve_allowed_keys, or find the client."),
            Query(total(happened(series("curve_refused_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            width=6,
        ),
    ]


def _replays() -> list[AnyPanel]:
    return [
        lines(
            "Replay requests, by outcome",
            Advice(
                "None, or a few after a network fault, all ok.",
                "Many ok: a subscriber is too slow; let it do less per message or use several processes. too_old: the "
                "messages are lost. unknown_run: the engine was restarted. bad_request: an error in a client.",
            ),
            Query(total(happened(series("replay_requests_total", **HERE), NOW), ("status",)), "{{status}}"),
            stacked=True,
            colours=_REPLAY_COLOURS,
        ),
        lines(
            "Messages replayed",
            Advice("Mostly 0.", "As many as are published: a subscriber depends on replays. See Replay requests."),
            Query(total(rate(series("replayed_messages_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            unit="cps",
        ),
        lines(
            "Messages evicted from the history",
            Advice(
                "As many as are published once the history is full (publish.history_messages per topic).",
                "More than published: publish.history_bytes is too small for that number of messages.",
            ),
            Query(total(rate(series("history_evicted_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            unit="cps",
        ),
    ]


def _http() -> list[AnyPanel]:
    return [
        lines(
            "HTTP requests refused, by reason",
            Advice(
                "None.",
                "unauthorised: a wrong token or an intrusion attempt. too-many-…: a limit in http or webrtc settings.",
            ),
            Query(f"{total(happened(series('http_refused_total', **HERE), NOW), ('reason',))} > 0", "{{reason}}"),
            stacked=True,
            width=6,
        ),
        lines(
            "Skipped for slow clients",
            Advice(
                "Near 0. Pictures also count if a newer one replaced them.",
                "events: a client of the event stream is slow. pictures, video: a viewer's connection is slow.",
            ),
            Query(f"sum({rate(series('http_events_skipped_total', **HERE), NOW)})", "events"),
            Query(f"sum({rate(series('live_pictures_skipped_total', **HERE), NOW)})", "pictures"),
            Query(f"sum({rate(series('video_units_skipped_total', **HERE), NOW)})", "video"),
            unit="cps",
            width=6,
        ),
        lines(
            "Live viewing",
            Advice("Follows the number of viewers.", "Pictures without streams: report it to the developers."),
            Query(f"sum({series('http_streams', **HERE)})", "HTTP streams"),
            Query(f"sum({series('video_viewers', **HERE)})", "video viewers"),
            Query(f"sum({rate(series('live_pictures_total', **HERE), NOW)})", "pictures per second"),
            width=6,
        ),
        lines(
            "WebRTC connections, by ICE state",
            Advice("completed only.", "failed, or checking for long: a firewall. See ice_servers in docs/webrtc.md."),
            Query(total(series("webrtc_sessions", **HERE), ("ice",)), "{{ice}}"),
            stacked=True,
            width=6,
            colours={"completed": GOOD, "failed": BAD, "checking": WORSE, "new": "blue", "closed": "#888888"},
        ),
    ]


def _files() -> list[AnyPanel]:
    return [
        lines(
            "Results missing from the file",
            Advice("0.", "The disk of `results` is full or broken.", "PartstreamResultsFileIncomplete"),
            Query(total(happened(series("results_file_missing_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            width=6,
        ),
        states(
            "State of recording",
            Advice(
                "ready.", "low_disk: free disk space. unwritable: check mount and owner.", "PartstreamRecordingImpaired"
            ),
            Query(f"max by (state) ({series('recording_state', **HERE)})", "{{state}}"),
            {"ready": GOOD, "low_disk": WORSE, "unwritable": BAD},
            width=6,
        ),
        lines(
            "Clips written and failed",
            Advice("None failed.", "See the reasons in docs/recording.md.", "PartstreamRecordingImpaired"),
            Query(f"sum({happened(series('clips_written_total', **HERE), NOW)})", "written"),
            Query(f"sum({happened(series('clips_failed_total', **HERE), NOW)})", "failed"),
            width=6,
            colours={"written": GOOD, "failed": BAD},
        ),
        lines(
            "Storage of clips",
            Advice("On disk below recording.budget, in memory below recording.packet_bytes per camera.", "Lower them."),
            Query(f"sum({series('clips_bytes', **HERE)})", "on disk"),
            Query(f"sum({series('clip_packet_bytes', **HERE)})", "in memory"),
            unit="bytes",
            width=6,
        ),
    ]
