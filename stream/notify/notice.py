"""The messages to targets: their content, their JSON, and their text for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from stream.results import Alert, about
from stream.settings.values import duration_text

SCHEMA = "partstream.notice/1"
PLAIN = ("event", "clip")
"""Kinds of messages that are the engine's own, not notices."""

NoticeState = Literal["began", "updated", "acknowledged", "cleared", "closed", "late", "summary", "notice", "test"]


class Held(msgspec.Struct, frozen=True):
    """Messages that were held back."""

    messages: Annotated[int, about("Their number.")]
    by: Annotated[dict[str, int], about("The number by reason: `quiet_hours`, `group`, `cap`, `flood`.")]
    rules: Annotated[
        dict[str, int], about("The number by rule; `events`, `clips` and `notices` count messages without one.")
    ]
    from_us: Annotated[int, about("When the first was held back, microseconds since 1970, UTC.")]
    to_us: Annotated[int, about("When the last was held back.")]


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=SCHEMA):
    """What happened to an alert, or what else there is to report."""

    id: Annotated[str, about("The same each time this message is sent to this target.")]
    state: Annotated[
        NoticeState,
        about(
            "`late`: it began, but more than `late_after` ago. `closed`: it began and ended before it could be sent. "
            "`summary`: messages were held back. `notice`: about the engine, not an alert."
        ),
    ]
    at_us: Annotated[int, about("When notify made the message, microseconds since 1970, UTC.")]
    text: Annotated[str, about("The message as a sentence.")] = ""
    late: Annotated[bool, about("Whether it is sent later than `late_after` allows. Absent: false.")] = False
    alert: Annotated[Alert | None, about("The alert's last message, as on topic `alerts`. Absent: not an alert.")] = (
        None
    )
    closed_by: Annotated[
        str,
        about(
            "Why the alert is closed: the engine's `clear_reason`; or `stats` (the engine no longer lists it), "
            "`new_run` (the engine was restarted), `engine_lost` (the engine has been silent). Absent: it is open."
        ),
    ] = ""
    held: Annotated[Held | None, about("Of `summary`: what was held back.")] = None
    links: Annotated[dict[str, str], about("Addresses of the engine's pages. Absent: none.")] = {}


decode = msgspec.json.Decoder(Notice).decode
encode = msgspec.json.Encoder().encode


def with_late(notice: Notice, now_us: int, late_after_us: int, *, ended: Alert | None, closed_by: str) -> Notice:
    """Return the message as it is to be sent now.

    `ended`: the alert's last message, if its end waits behind this message. An alert that began too long ago is `late`,
    or `closed` if it also ended.
    """
    if notice.alert is None or now_us - notice.alert.began_us <= late_after_us:
        return notice
    if notice.state == "began":
        if ended is None:
            return msgspec.structs.replace(notice, state="late", late=True)
        return msgspec.structs.replace(notice, state="closed", late=True, alert=ended, closed_by=closed_by)
    if notice.state == "closed":
        return msgspec.structs.replace(notice, late=True)
    return notice


def with_text(notice: Notice, zone: ZoneInfo) -> Notice:
    """Return the message with its text."""
    return notice if notice.text else msgspec.structs.replace(notice, text=text_of(notice, zone))


def text_of(notice: Notice, zone: ZoneInfo) -> str:
    """Return a message as a sentence, with times of the zone."""
    if notice.held is not None:
        rules = ", ".join(
            f"{rule} {count}" for rule, count in sorted(notice.held.rules.items(), key=lambda one: -one[1])
        )
        between = f"{clock(notice.held.from_us, zone)} to {clock(notice.held.to_us, zone)}"
        return f"{notice.held.messages} messages held back from {between} ({', '.join(notice.held.by)}): {rules}"
    alert = notice.alert
    if alert is None:
        return notice.text
    where, began = f"{alert.camera}: {alert.rule}", clock(alert.began_us, zone)
    match notice.state:
        case "began":
            return f"{where}: {alert.reason}"
        case "late":
            return f"Late: {where} since {began}: {alert.reason}"
        case "closed":
            return f"Late: {where} from {began} to {clock(alert.capture_us, zone)}: {alert.reason}"
        case "cleared":
            lasted = duration_text(max(0, alert.capture_us - alert.began_us))
            return f"{where}: over after {lasted}" if notice.closed_by in ("over", "left") else f"{where}: over"
        case "acknowledged":
            return f"{where}: acknowledged"
        case _:
            return f"{where}: still on: {alert.reason}"


def clock(micros: int, zone: ZoneInfo) -> str:
    """Return a time of day."""
    return datetime.fromtimestamp(micros / 1e6, UTC).astimezone(zone).strftime("%H:%M:%S")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the messages."""
    return msgspec.json.schema(Notice)
