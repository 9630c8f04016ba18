"""The client for results: `async for result in subscribe("tcp://…", camera="lobby")`, and `"fleet://…"` for a fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import overload

from stream.fleet_directory.fleet_subscription import FleetSubscription, Moved
from stream.messaging.client_endpoints import parse_endpoint
from stream.messaging.curve.keys import client_keys
from stream.messaging.gap_filling import Counts, Gap, ReplayServerAt
from stream.messaging.gaps import Position, Sequences
from stream.results import Frame, Message
from stream.settings.values import CAMERA_ID, camera_id_error
from stream.subscription.engine_subscription import Connection, EngineSubscription
from stream.subscription.subscription import KINDS, Kind, Subscription, prefixes_of
from telemetry.redaction import redact

__all__ = ["FLEET", "KINDS", "Counts", "Gap", "Kind", "Moved", "Subscription", "subscribe"]

FLEET = "fleet://"
"""Begins the address of a fleet's directory."""


@overload
def subscribe(
    endpoint: str,
    *,
    camera: str | None = None,
    cameras: Iterable[str] | None = None,
    replay: str | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    on_moved: Callable[[Moved], None] | None = None,
    high_water_mark: int = 1000,
    receive_buffer: int | None = None,
    replay_timeout_s: float = 2.0,
    server_key: str | None = None,
    key_file: str | Path | None = None,
    resume: Iterable[Position] | None = None,
) -> Subscription[Frame]: ...
@overload
def subscribe(
    endpoint: str,
    *,
    kinds: Iterable[Kind],
    camera: str | None = None,
    cameras: Iterable[str] | None = None,
    replay: str | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    on_moved: Callable[[Moved], None] | None = None,
    high_water_mark: int = 1000,
    receive_buffer: int | None = None,
    replay_timeout_s: float = 2.0,
    server_key: str | None = None,
    key_file: str | Path | None = None,
    resume: Iterable[Position] | None = None,
) -> Subscription[Message]: ...
def subscribe(
    endpoint: str,
    *,
    kinds: Iterable[Kind] = ("results",),
    camera: str | None = None,
    cameras: Iterable[str] | None = None,
    replay: str | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    on_moved: Callable[[Moved], None] | None = None,
    high_water_mark: int = 1000,
    receive_buffer: int | None = None,
    replay_timeout_s: float = 2.0,
    server_key: str | None = None,
    key_file: str | Path | None = None,
    resume: Iterable[Position] | None = None,
) -> Subscription[Message]:
    """Subscribe to an engine: `async for result in subscribe("tcp://127.0.0.1:5555", camera="lobby")`.

    - `endpoint`: the engine's `publish.endpoint`, or only its HOST:PORT. The engine need not be running yet. Or
      `fleet://HOST:PORT`, with the address of a fleet's directory: cameras are read from their engines, wherever they
      move (docs/wire.md).
    - `kinds`: the kinds of messages; by default only results (`Frame`). `stream.subscriber.KINDS` has all.
    - `camera`, `cameras`: ids of cameras; by default all, including those added later.
    - `replay`: the engine's `publish.replay`. With it, missed messages are requested and delivered in order. Without
      it, or if they are too old, they are counted and reported. Not for a fleet, whose directory has the addresses.
    - `on_gap`: called after each gap in the numbering, filled or not, and where it is not known how many messages are
      missing at the end of an epoch, because the replay server did not answer, has forgotten it, or there is none.
    - `on_moved`: of a fleet, called between the last message of a camera's old placement and the first of its new one,
      which is a gap of unknown size.
    - `high_water_mark`, `receive_buffer`: messages, and bytes of the socket's buffer, queued while you are busy.
    - `replay_timeout_s`: time without an answer from the replay server after which live results continue without it.
    - `server_key`, `key_file`: for an engine with CURVE (docs/security.md), its public key or a file that holds it,
      and the file of your secret key. For a fleet, the directory's key; it has those of the engines.
    - `resume`: positions at which an earlier subscription stopped, the last one of the engine's run that it read last.
      The messages since then are requested as after any gap, and so is the beginning of each new run of the engine. If
      empty, only the latter and all alerts of the present run. Of runs that have ended, alerts are requested, which the
      engine may have kept, also of topics of which nothing was received. While the replay server does not answer, the
      messages wait for half a minute. Of a fleet, only present runs of engines are asked.

    Raises ValueError if a camera id, a kind, a key, the endpoint or a combination of these is invalid, and TypeError
    for other types.
    """
    for name, text in (("endpoint", endpoint), ("replay", replay), ("camera", camera)):
        if not isinstance(text, str) and (text is not None or name == "endpoint"):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{name} must be a string, not {type(text).__name__}")
    for name, several in (("cameras", cameras), ("kinds", kinds)):
        if isinstance(several, str):
            raise TypeError(f"{name} must be a list of strings, not one string")
    if camera is not None:
        cameras = (*(cameras or ()), camera)
    wanted = selected(cameras)
    kinds = tuple(dict.fromkeys(kinds))
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} isn't one of {', '.join(KINDS)}")
    if endpoint.startswith(FLEET):
        if replay is not None:
            raise ValueError(f"replay is for one engine: give its tcp://HOST:PORT instead of {FLEET}")
        directory = directory_at(endpoint, server_key, key_file, high_water_mark, receive_buffer)
        return FleetSubscription(
            directory, kinds, wanted, replay_timeout_s=replay_timeout_s, on_gap=on_gap, on_moved=on_moved, resume=resume
        )
    if on_moved is not None:
        raise ValueError(f"on_moved is for a fleet: use {FLEET}HOST:PORT, with the address of its directory")
    keys = client_keys(server_key, key_file)
    return EngineSubscription(
        Connection(parse_endpoint(endpoint), high_water_mark, receive_buffer, keys),
        prefixes_of(kinds, wanted),
        replay=ReplayServerAt(parse_endpoint(replay), replay_timeout_s, keys) if replay is not None else None,
        on_gap=on_gap,
        sequences=Sequences(resume),
    )


def directory_at(
    address: str,
    server_key: str | None,
    key_file: str | Path | None,
    high_water_mark: int = 1000,
    receive_buffer: int | None = None,
) -> Connection:
    """Return the connection to a fleet's directory at `fleet://HOST:PORT`. Raises `ValueError`; see `subscribe`."""
    keys = client_keys(server_key, key_file)
    try:
        if not address.startswith(FLEET):
            raise ValueError
        endpoint = parse_endpoint(address.removeprefix(FLEET))
    except ValueError:
        raise ValueError(
            f"{redact(address)!r} is not the address of a fleet's directory: use {FLEET}HOST:PORT"
        ) from None
    return Connection(endpoint, high_water_mark, receive_buffer, keys)


def selected(cameras: Iterable[str] | None) -> list[str] | None:
    """Return these cameras, each once and sorted; None for None. Raises `ValueError` for an invalid id."""
    names = None if cameras is None else sorted(set(cameras))
    for name in names or ():
        if not CAMERA_ID.fullmatch(name):
            raise ValueError(camera_id_error(name))
    return names
