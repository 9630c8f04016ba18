"""An engine with two cameras, of which a token may see only one, with alerts and clips of both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from stream import results
from stream.engine import Engine
from stream.incidents.incident import Picture
from stream.recording.clips import Clip, ClipEvent, clip_name
from support.engines.alerting import LEFT_HALF, Walker
from support.engines.controlled_engine import OFF_LOOPBACK, Client, configured
from support.listed_tokens import listed, write_tokens
from support.waiting import until

SEEN, HIDDEN = "door", "cellar"
RIGHTS = {"viewer": "look", "reviewer": "review", "keeper": "control"}
RULES = f"""
rules:
  visitor: {{zone: hall, clear_after: 1h}}
  below: {{zone: hall, cameras: [{HIDDEN}], clear_after: 1h}}
  both: {{zone: hall, cameras: [{SEEN}, {HIDDEN}, missing-{HIDDEN}], clear_after: 1h}}
"""


class Shared:
    """The engine, a client without a token, and the ids of alerts and clips by camera."""

    def __init__(self, engine: Engine, client: Client, tokens: Path) -> None:
        self.engine = engine
        self.client = client
        self.tokens = tokens
        self.alerts: dict[str, str] = {}
        self.clips = {camera: clip_of(camera).name for camera in (SEEN, HIDDEN)}


@asynccontextmanager
async def shared_engine(folder: Path, **http: Any) -> AsyncGenerator[Shared]:
    """Run the engine with the tokens `RIGHTS` for the camera `SEEN`, and `admin` for all."""
    own = [listed(name, right, [SEEN]) for name, right in RIGHTS.items()]
    tokens = write_tokens(folder / "tokens.yaml", *own, listed("admin", "control"))
    rules, clips = folder / "rules.yaml", folder / "clips"
    rules.write_text(RULES)
    clips.mkdir()
    for camera in (SEEN, HIDDEN):
        write_clip(clips, camera)
    zones = {"zones": {"hall": LEFT_HALF}}
    config = configured(
        *({"id": camera, "source": "pattern:200x100@25", **zones} for camera in (SEEN, HIDDEN)),
        http={**OFF_LOOPBACK, "tokens_file": tokens, **http},
        rules_file=rules,
        recording={"directory": clips, "alerts": False},
        incidents={"directory": folder / "incidents", "least_free": 0},
    )
    engine = Engine(config, model=Walker())
    began: dict[str, str] = {}

    def take(topic: str, message: results.Message) -> None:
        if isinstance(message, results.Alert) and message.state == "began":
            began.setdefault(message.camera, message.alert)

    engine.publisher.on_message(take)
    async with engine, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        address = (engine.http_address or "").replace("0.0.0.0", "127.0.0.1")
        shared = Shared(engine, Client(session, address), tokens)
        shared.alerts = began
        await until(lambda: {SEEN, HIDDEN} <= began.keys())
        await until(lambda: all(isinstance(engine.outputs.pictures.picture(name), Picture) for name in began.values()))
        yield shared


def clip_of(camera: str) -> Clip:
    name = clip_name(1_700_000_000_000_000, camera, "fall")
    return Clip(
        name=name,
        run="0" * 32,
        camera=camera,
        epoch=1,
        events=[ClipEvent(1, "fall", 0.9, 0, 0, None)],
        start_us=0,
        end_us=1,
        start_media_time_us=0,
        end_media_time_us=1,
        codec="h264",
        reencoded=False,
        frames=1,
        results=1,
        ended="complete",
        video_bytes=1,
        written_us=1,
    )


def write_clip(folder: Path, camera: str) -> None:
    """Write a clip's files, whose contents name the camera."""
    clip = clip_of(camera)
    (folder / f"{clip.name}.mp4").write_text(f"video of {camera}")
    (folder / f"{clip.name}.jsonl").write_text(f'{{"camera": "{camera}"}}\n')
    (folder / f"{clip.name}.json").write_bytes(msgspec.json.encode(clip))
