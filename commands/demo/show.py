"""The demo: real footage over a real RTSP server, through the engine, to a live table, a video and a summary.

The live table reads the results over ZeroMQ, as any subscriber does.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType
from av.video.stream import VideoStream
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from benchmarks.cameras.rtsp_server import RtspServer, RtspServerError
from commands.console import asset_console
from commands.console.tables import table
from commands.console.watch import show_table
from stages.third_party import weights
from stages.third_party.weight_catalogue import KEYPOINT_DETECTOR
from stream import results
from stream.annotation.annotate import annotate
from stream.config import Config
from stream.engine import Engine
from stream.subscriber import KINDS, subscribe


@dataclass(frozen=True, slots=True)
class Scene:
    """A camera of the demo, and its footage."""

    camera: str
    asset: str
    file: str
    shows: str
    detector_size: tuple[int, int]


SCENES = (
    Scene("street", "vtest", "vtest.avi", "pedestrians walking and standing, seen from above", (512, 384)),
    Scene("yard", "sports2d", "demo.mp4", "a man jumps down and crouches, a woman walks past", (384, 256)),
    Scene("studio", "dancer", "dancer.avi", "a dancer, who sometimes stands still", (512, 512)),
)


SUMMARY_WIDTH = 120
"""Width of `summary.txt`, in characters."""

CHECK_INTERVAL_S = 0.02
"""Interval between two checks for cameras at the end of their footage, shorter than a frame."""


def show(out: Path, seconds: float, console: Console) -> int:
    """Run the demo. Write `annotated.mp4`, `results.jsonl` and `summary.txt` into `out`. Return the exit code."""
    out.mkdir(parents=True, exist_ok=True)
    asset_console.fetch([*KEYPOINT_DETECTOR, *(scene.asset for scene in SCENES)], console)
    clips = {scene.camera: out / f"{scene.camera}.mp4" for scene in SCENES}
    for scene in SCENES:
        cut(weights.locate(scene.asset, scene.file), clips[scene.camera], seconds)
    recorded = out / "results.jsonl"
    recorded.unlink(missing_ok=True)  # of an earlier demo: the engine would keep it under another name
    for scene in SCENES:
        console.print(f"[bold]{scene.camera}[/]: {scene.shows}")
    try:
        with RtspServer(files={f"/{camera}": clip for camera, clip in clips.items()}) as server:
            console.print("Footage over RTSP: " + ", ".join(server.url(f"/{camera}") for camera in clips))
            stats = _run({camera: server.url(f"/{camera}") for camera in clips}, clips, recorded, console)
    except RtspServerError as error:
        console.print(f"[yellow]No RTSP server ({escape(str(error))}): the footage is read from files.[/]")
        stats = _run({camera: str(clip) for camera, clip in clips.items()}, clips, recorded, console)
    frames = read_results(recorded)
    shown = summary(stats, frames)
    console.print()
    console.print(shown)
    with (out / "summary.txt").open("w") as file:
        Console(file=file, width=SUMMARY_WIDTH).print(shown)
    _draw(frames, clips, out / "annotated.mp4", console)
    console.print(
        f"\nThe annotated video is [bold]{out / 'annotated.mp4'}[/]. The results of all frames are in "
        f"[bold]{recorded}[/], this summary in [bold]{out / 'summary.txt'}[/]."
    )
    return 0 if any(frame.people for frame in frames) else 1


def cut(footage: Path, to: Path, seconds: float) -> None:
    """Encode the first seconds of a video as H.264 without B-frames, as a camera would send it."""
    with av.open(str(footage)) as source, av.open(str(to), "w") as target:
        pictures = source.streams.video[0]
        rate = Fraction(pictures.average_rate or 25)
        encoded = target.add_stream("libx264", rate=rate)
        assert isinstance(encoded, VideoStream)
        encoded.width, encoded.height = pictures.width // 2 * 2, pictures.height // 2 * 2
        encoded.pix_fmt = "yuv420p"
        encoded.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "20", "bf": "0"}
        encoded.codec_context.gop_size = round(float(rate))
        for number, picture in enumerate(source.decode(pictures)):
            if number >= seconds * float(rate):
                break
            picture = picture.reformat(width=encoded.width, height=encoded.height, format="yuv420p")
            picture.pts, picture.time_base = number, 1 / rate
            picture.pict_type = PictureType.NONE  # otherwise keyframes of the source stay keyframes
            target.mux(encoded.encode(picture))
        target.mux(encoded.encode(None))


def read_results(recorded: Path) -> list[results.Frame]:
    """Return the results in a file that `--results` wrote."""
    with recorded.open("rb") as lines:
        return [frame for line in lines if isinstance(frame := results.decode(line), results.Frame)]


def summary(stats: results.Stats, frames: Iterable[results.Frame]) -> RenderableType:
    """Return what was analysed and recognised."""
    parts: list[RenderableType] = [_counts(stats), Text(), _recognised(stats, frames)]
    parts.append(Text("Latency is from capture, by the camera's clock, to publication, with the model."))
    decoded = sum(camera.decoded for camera in stats.cameras)
    analysed = sum(camera.processed for camera in stats.cameras)
    if analysed < decoded / 2:
        parts.append(
            Text(
                f"This machine analysed {analysed} of {decoded} frames; to analyse more, use a smaller `detector_size`"
                " (docs/detector.md)."
            )
        )
    return Group(*parts)


def _run(sources: Mapping[str, str], clips: Mapping[str, Path], recorded: Path, console: Console) -> results.Stats:
    settings = Config.model_validate(
        {
            "cameras": [
                {
                    "id": scene.camera,
                    "source": sources[scene.camera],
                    "detector_size": scene.detector_size,
                    # On a small machine, drop frames rather than show old ones.
                    "staleness_ms": 400,
                    # The demo's own server does not fail, but a busy machine may be late.
                    "stall_timeout_s": 30,
                }
                for scene in SCENES
            ],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": "127.0.0.1:0"},
            "results": recorded,
            "once": True,
        }
    )
    return asyncio.run(_watch(settings, {camera: _length(clip) for camera, clip in clips.items()}, console))


async def _watch(settings: Config, lengths: Mapping[str, tuple[int, float]], console: Console) -> results.Stats:
    async with Engine(settings) as engine:
        console.print(f"Results: {engine.publisher.endpoint}. Live page: {engine.http_address}")
        messages = subscribe(engine.publisher.endpoint, kinds=KINDS, replay=engine.publisher.replay_endpoint)
        background = [
            asyncio.create_task(show_table(messages, console)),
            asyncio.create_task(_end_cameras(engine, lengths)),
        ]
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.wait(), max(seconds for _, seconds in lengths.values()) + 1.0)
        stats = engine.stats()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        return stats


async def _end_cameras(engine: Engine, lengths: Mapping[str, tuple[int, float]]) -> None:
    """End each camera after its footage, which the server would repeat."""
    while True:
        for camera in engine.cameras.running.values():
            frames, _ = lengths[camera.config.id]
            # A reader that is told to stop still delivers the frame that it waits for.
            if camera.ring.decoded >= frames - 1:
                camera.reader.stop()
        await asyncio.sleep(CHECK_INTERVAL_S)


def _counts(stats: results.Stats) -> Table:
    shown = table("camera", "decoded", "analysed", "dropped, by reason", words=4, title="Frames")
    for camera in stats.cameras:
        dropped = ", ".join(f"{count} {reason}" for reason, count in camera.dropped.items()) or "none"
        shown.add_row(camera.camera, str(camera.decoded), str(camera.processed), dropped)
    return shown


def _recognised(stats: results.Stats, frames: Iterable[results.Frame]) -> Table:
    columns = ("camera", "people", "actions (person-frames)", "latency p50", "p99")
    shown = table(*columns, words=3, title="Recognised")
    by_camera: dict[str, list[results.Frame]] = {camera.camera: [] for camera in stats.cameras}
    for frame in frames:
        by_camera.setdefault(frame.camera, []).append(frame)
    for camera, own in by_camera.items():
        if not own:
            continue
        first_epoch = [frame for frame in own if frame.epoch == own[0].epoch]
        actions = Counter(
            person.action.label + (" (experimental)" if person.action.experimental else "")
            for frame in first_epoch
            for person in frame.people
            if person.action is not None
        )
        tracks = {person.track for frame in first_epoch for person in frame.people}
        late = sorted((frame.published_us - frame.capture_us) / 1000 for frame in own)
        shown.add_row(
            camera,
            str(len(tracks)),
            ", ".join(f"{label} {count}" for label, count in actions.most_common(6)) or "none",
            f"{statistics.median(late):.0f} ms",
            f"{late[int(0.99 * (len(late) - 1))]:.0f} ms",
        )
    return shown


def _draw(frames: list[results.Frame], clips: Mapping[str, Path], to: Path, console: Console) -> None:
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Drawing")

        def advance(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        shown = [(clip, [frame for frame in frames if frame.camera == camera]) for camera, clip in clips.items()]
        annotate(shown, to, advance)


def _length(clip: Path) -> tuple[int, float]:
    """Return the number of frames and the duration in seconds."""
    with av.open(str(clip)) as container:
        return container.streams.video[0].frames, (container.duration or 0) / 1e6
