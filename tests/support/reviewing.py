"""Kept alerts and events with clips that show them, to be reviewed."""

from __future__ import annotations

import io
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec.structs import replace
from PIL import Image

from stages.free_model import FreeModel
from stream.engine import Engine
from stream.incidents.store import IncidentStore
from stream.recording.clips import Clip, ClipEvent, clip_name
from stream.recording.library import ENDINGS, ClipLibrary
from stream.results import Action, ClipReady, Event, Frame, Person
from stream.settings.recording import IncidentsConfig
from support.engines.controlled_engine import Client, configured
from support.incidents import RUN, S, event, frame, give
from support.waiting import until

FPS = 25
FRAME_US = S // FPS
TRACK = 7
YESTERDAY_US = round(datetime.now(UTC).timestamp() - 86_400) * S
ENDS_AFTER_US = S
"""How long the action of each event lasts."""


def box_at(number: int) -> tuple[float, float, float, float]:
    """Return the person's box in a clip's frame `number`, in a picture of 320 x 180 pixels."""
    return (10.0 + number, 40.0, 60.0 + number, 170.0)


def write_recorded(folder: Path, begins: Event, frames: int = 50, video: Path | None = None) -> Clip:
    """Write the clip of an event, which begins in its frame 10 and lasts `ENDS_AFTER_US`. Return its description.

    Each result's `frame` is its number in the clip. `video`: the film, `frames` long; by default no real one.
    """
    assert begins.media_time_us is not None
    start_us = begins.media_time_us - 10 * FRAME_US
    name = clip_name(begins.capture_us, begins.camera, begins.label)
    clip = Clip(
        name=name,
        run=begins.run,
        camera=begins.camera,
        epoch=begins.epoch,
        events=[
            ClipEvent(
                begins.track,
                begins.label,
                begins.score,
                begins.capture_us,
                begins.media_time_us,
                begins.media_time_us + ENDS_AFTER_US,
                event=begins.event,
            )
        ],
        start_us=begins.capture_us - 10 * FRAME_US,
        end_us=begins.capture_us + (frames - 11) * FRAME_US,
        start_media_time_us=start_us,
        end_media_time_us=start_us + (frames - 1) * FRAME_US,
        codec="h264",
        reencoded=False,
        frames=frames,
        results=frames,
        ended="complete",
        video_bytes=1,
        written_us=1,
    )
    folder.mkdir(parents=True, exist_ok=True)
    if video is None:
        (folder / f"{name}.mp4").write_bytes(b"video of " + name.encode())
    else:
        shutil.copyfile(video, folder / f"{name}.mp4")
    action = Action(begins.label, begins.score, begins.capture_us, [(begins.label, begins.score)])
    lines = [
        replace(
            frame(number),
            camera=begins.camera,
            epoch=begins.epoch,
            size=(320, 180),
            media_time_us=start_us + number * FRAME_US,
            people=[Person(begins.track, box_at(number), 0.9, action, []), Person(99, box_at(200), 0.9, None, [])],
        )
        for number in range(frames)
    ]
    (folder / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(clip))
    return clip


def ready(clip: Clip) -> ClipReady:
    """Return the message that a clip is complete."""
    return ClipReady(
        run=clip.run,
        seq=0,
        camera=clip.camera,
        epoch=clip.epoch,
        clip=clip.name,
        start_us=clip.start_us,
        end_us=clip.end_us,
        start_media_time_us=clip.start_media_time_us,
        end_media_time_us=clip.end_media_time_us,
        ended=clip.ended,
        bytes=1,
        events=[one.event for one in clip.events],
        alerts=[],
    )


def library_at(folder: Path) -> ClipLibrary:
    library = ClipLibrary(folder, 10**9, 0)
    library.open()
    return library


def store_at(folder: Path, clip_exists: Callable[[str], bool] = lambda name: True) -> IncidentStore:
    store = IncidentStore(
        IncidentsConfig.model_validate({"directory": folder, "least_free": 0}), folder, None, clip_exists
    )
    store.start()
    return store


def fell(number: int, camera: str = "door", label: str = "fall") -> Event:
    """Return an event of its own time and id, ten seconds after the one before."""
    at_us = YESTERDAY_US + number * 10 * S
    return event(number, label=label, camera=camera, track=TRACK, capture_us=at_us, media_time_us=number * 10 * S)


def keep(store: IncidentStore, clips: Path, events: Sequence[Event], video: Path | None = None) -> list[Clip]:
    """Keep these events, with a clip of each; those of "kick" have none."""
    give(store, *(replace(one, run=RUN) for one in events))
    written = [write_recorded(clips, one, video=video) for one in events if one.label != "kick"]
    give(store, *map(ready, written))
    return written


def shown_files(folder: Path, clip: Clip) -> list[bool]:
    """Return whether each file of a clip is in a folder."""
    return [(folder / (clip.name + ending)).exists() for ending in ENDINGS]


class Reviewed(FreeModel):
    """A model that knows these actions, and sees no one."""

    @property
    def actions(self) -> Sequence[str]:
        return ["fall", "lie", "sit", "stand", "walk"]


@asynccontextmanager
async def reviewed(
    folder: Path, events: Sequence[Event], video: Path | None = None, **http: Any
) -> AsyncGenerator[tuple[Engine, Client, list[Clip]]]:
    """Run an engine that has kept these events in an earlier run. Yields it with their clips."""
    store = store_at(folder / "incidents")
    clips = keep(store, folder / "clips", events, video)
    for one in events:
        store.keep([one.event], result_of(one), jpeg_of(one.frame))
    store.close()
    config = configured(
        http=http,
        recording={"directory": folder / "clips", "least_free": 0},
        incidents={"directory": folder / "incidents", "least_free": 0},
        verdicts={"directory": folder / "verdicts", "least_free": 0},
    )
    async with Engine(config, model=Reviewed()) as engine, aiohttp.ClientSession() as session:
        address = (engine.http_address or "").replace("0.0.0.0", "127.0.0.1")
        recorder = engine.recorder
        assert recorder is not None
        await until(lambda: len(recorder.library) == len(clips))  # another thread reads the directory
        yield engine, Client(session, address), clips


def result_of(one: Event) -> Frame:
    """Return the result of the frame that began an event."""
    action = Action(one.label, one.score, one.capture_us, [(one.label, one.score)])
    person = Person(one.track, (100.0, 40.0, 150.0, 170.0), 0.9, action, [])
    return replace(frame(one.frame), camera=one.camera, epoch=one.epoch, size=(320, 180), people=[person])


def jpeg_of(number: int) -> bytes:
    """Return a small picture, of another grey for each number."""
    written = io.BytesIO()
    Image.new("L", (320, 180), 60 + number % 120).save(written, "JPEG")
    return written.getvalue()
