"""The whole engine with the free model: every frame is counted and published, and faults are isolated per camera."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.free_model import FreeModel
from stages.third_party.weights import WeightsError
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream import results
from stream.engine import Engine, EngineFailedError
from stream.http.server.connections import Connections
from stream.messaging import results_file
from stream.messaging.history import EPOCHS_NUMBERED
from stream.messaging.publisher import Publisher
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig
from stream.settings.source_address import SourceAddress
from stream.sources.status import CameraStatus
from stream.subscriber import subscribe
from support.engines.running_engine import configured, frames_of, messages_until, pattern
from support.slow_work import slow_work
from support.waiting import settle, until
from telemetry.observer import Observer
from telemetry.reasons import DropReason


class Waver(FreeModel):
    """Detects one person in every frame, who starts to wave in frame 5 and leaves in frame 9."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        return [self.analyse(lease.meta.frame, lease.meta.media_us) for lease in frames]

    def analyse(self, frame: int, media_us: int) -> FrameAnalysis:
        if frame >= 9:
            return FrameAnalysis(ended=[1] if frame == 9 else [])
        label = "wave" if frame >= 5 else "stand"
        action = ActionAnalysis(label, 0.9, media_us, [(label, 0.9)], label, 0.9)
        return FrameAnalysis(people=[PersonAnalysis(1, (1.0, 2.0, 30.0, 40.0), 0.9, action, [])], tracks=1)


class FailsOn(FreeModel):
    """Raises for every frame of the named camera, and for every batch with one."""

    def __init__(self, camera: str) -> None:
        super().__init__()
        self.camera = camera

    def needs_look(self, meta: FrameMeta, newest: bool = True) -> bool:
        return meta.camera == self.camera and 1 / 0 > 0

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        if any(lease.meta.camera == self.camera for lease in frames):
            raise ValueError("this camera's pictures are poison")
        return super().process(frames)


class Slow(FreeModel):
    """Takes 80 ms per batch."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        slow_work(0.08)
        return super().process(frames)


async def test_every_frame_of_a_file_like_source_is_processed_and_numbered_without_gaps() -> None:
    config = configured(pattern("a", pace="fast"), pattern("b", pace="fast"))
    async with Engine(config, model=FreeModel()) as engine:
        seen = await messages_until(
            engine, lambda seen: len(frames_of(seen, "a")) >= 200 and len(frames_of(seen, "b")) >= 200
        )
        for camera in "ab":
            frames = frames_of(seen, camera)
            assert [frame.frame for frame in frames] == list(range(frames[0].frame, frames[0].frame + len(frames)))
            assert [frame.seq for frame in frames] == list(range(frames[0].seq, frames[0].seq + len(frames)))
            assert all(frame.people == [] and frame.size == (128, 96) for frame in frames)
    for camera in engine.stats().cameras:
        assert camera.decoded == camera.processed + sum(camera.dropped.values())


async def test_a_subscriber_over_zeromq_gets_what_a_reader_in_the_process_gets() -> None:
    async with Engine(configured(pattern("a")), model=FreeModel()) as engine:
        inside = asyncio.create_task(messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 30))
        outside: list[results.Frame] = []
        async for frame in subscribe(engine.publisher.endpoint, camera="a"):
            outside.append(frame)
            if len(outside) >= 20:
                break
        by_number = {frame.seq: frame for frame in frames_of(await inside, "a")}
        shared = [frame for frame in outside if frame.seq in by_number]
        assert len(shared) >= 10
        assert all(frame == by_number[frame.seq] for frame in shared)
        assert {frame.run for frame in outside} == {engine.run}


async def test_a_persons_action_becomes_events_in_order() -> None:
    async with Engine(configured(), model=Waver()) as engine:
        reading = asyncio.create_task(
            messages_until(engine, lambda seen: sum(isinstance(m, results.Event) for m in seen) >= 3)
        )
        await settle()  # it reads now; the first frame may be published before `add` returns
        engine.cameras.add(CameraConfig(id="a", source=SourceAddress("pattern:128x96@25")))
        seen = await reading
    events = [message for message in seen if isinstance(message, results.Event)]
    assert [(event.kind, event.label, event.previous, event.frame) for event in events] == [
        ("started", "stand", None, 0),
        ("changed", "wave", "stand", 5),
        ("ended", "wave", None, 9),
    ]
    assert [event.seq for event in events] == [0, 1, 2]


async def test_a_failing_stage_drops_its_batch_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    config = configured(pattern("good"), pattern("poison", fps=5), batch={"max_frames": 1})
    async with Engine(config, model=FailsOn("poison")) as engine:
        seen = await messages_until(
            engine,
            lambda seen: (
                len(frames_of(seen, "good")) >= 60 and engine.stats().cameras[1].dropped.get("stage_error", 0) >= 3
            ),
        )
        assert not frames_of(seen, "poison")
        numbers = [frame.frame for frame in frames_of(seen, "good")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert "this camera's pictures are poison" in caplog.text


class NoNumbersOn(FreeModel):
    """Gives NaN for the frames of one camera."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        return [FrameAnalysis(failed="action_lstm" if lease.meta.camera == "bad" else None) for lease in frames]


async def test_a_frame_whose_scores_are_no_numbers_is_a_stage_error_and_is_not_published(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Engine(configured(pattern("good"), pattern("bad")), model=NoNumbersOn()) as engine:
        seen = await messages_until(
            engine,
            lambda seen: frames_of(seen, "good") != [] and engine.stats().cameras[1].dropped.get("stage_error", 0) >= 3,
        )
        assert not frames_of(seen, "bad")
        assert b'partstream_stage_errors_total{stage="action_lstm"}' in engine.metrics.render()
    assert "stage action_lstm gave NaN or infinity; a frame of bad is dropped" in caplog.text


async def test_consecutive_errors_make_the_engine_unready_with_a_reason() -> None:
    config = configured(pattern("poison"), batch={"max_frames": 1})
    async with Engine(config, model=FailsOn("poison")) as engine:
        seen = await messages_until(engine, lambda seen: isinstance(seen[-1], results.Stats) and not seen[-1].ready)
        last = seen[-1]
        assert isinstance(last, results.Stats)
        assert "consecutive batches failed" in last.ready_reason


async def test_a_slow_model_gets_recent_frames_and_every_drop_is_counted() -> None:
    fresh = {"ring_slots": 4, "staleness_ms": 500}
    config = configured(pattern("a", **fresh), pattern("b", **fresh), batch={"max_frames": 2})
    async with Engine(config, model=Slow()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 10 and len(frames_of(seen, "b")) >= 10)
        await engine.stop()
        for camera in engine.stats().cameras:
            assert camera.dropped.get("overwritten", 0) + camera.dropped.get("stale", 0) > 0
            assert camera.decoded == camera.processed + sum(camera.dropped.values())


async def test_a_camera_can_be_added_and_removed_while_others_lose_nothing() -> None:
    async with Engine(configured(pattern("stays")), model=FreeModel()) as engine:

        def enough(seen: list[results.Message]) -> bool:
            return len(frames_of(seen, "stays")) >= 150 and any(frame.epoch == 2 for frame in frames_of(seen, "comes"))

        reading = asyncio.create_task(messages_until(engine, enough))
        await until(lambda: engine.cameras.running["stays"].ring.processed > 5)
        comes = CameraConfig(id="comes", source=SourceAddress("pattern:128x96@50"))
        engine.cameras.add(comes)
        await until(lambda: engine.cameras.running["comes"].ring.processed > 5)
        await engine.cameras.remove("comes")
        engine.cameras.add(comes)
        seen = await reading
        numbers = [frame.frame for frame in frames_of(seen, "stays")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        epochs = {frame.epoch for frame in frames_of(seen, "comes")}
        assert epochs == {1, 2}, "an epoch is never reused in a run"
        states = [m.state for m in seen if isinstance(m, results.Status) and m.camera == "comes"]
        assert "removed" in states
        with pytest.raises(ValueError, match="the id is in use"):
            engine.cameras.add(comes)
        with pytest.raises(KeyError):
            await engine.cameras.remove("nobody")


async def test_a_camera_that_never_went_live_uses_no_epoch(tmp_path: Path) -> None:
    comes = CameraConfig(id="comes", source=SourceAddress("pattern:128x96@50"))
    async with Engine(configured(), model=FreeModel()) as engine:
        engine.cameras.add(comes)
        await messages_until(engine, lambda seen: len(frames_of(seen, "comes")) >= 2)
        await engine.cameras.remove("comes")
        engine.cameras.add(CameraConfig(id="comes", source=SourceAddress(str(tmp_path / "absent.mp4"))))
        await engine.cameras.remove("comes")
        engine.cameras.add(comes)
        seen = await messages_until(engine, lambda seen: len(frames_of(seen, "comes")) >= 2)
        assert {frame.epoch for frame in frames_of(seen, "comes")} == {2}


async def test_a_camera_can_be_added_more_often_than_epochs_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    absent = CameraConfig(id="comes", source=SourceAddress("pattern:128x96@50"))
    async with Engine(configured(), model=FreeModel()) as engine:
        engine.cameras.epochs.ended("comes", EPOCHS_NUMBERED + 5)
        for epoch in range(EPOCHS_NUMBERED + 5):  # as earlier additions would have left it
            engine.cameras.publish_status(CameraStatus.initial(absent, epoch))
        for _ in range(3):
            engine.cameras.add(absent)
            await engine.cameras.remove("comes")
        engine.cameras.add(absent)
        seen = await messages_until(engine, lambda seen: len(frames_of(seen, "comes")) >= 2)
    assert min(frame.epoch for frame in frames_of(seen, "comes")) > EPOCHS_NUMBERED + 5
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_metrics_of_a_removed_camera_disappear() -> None:
    async with Engine(configured(pattern("stays"), pattern("goes")), model=FreeModel()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "goes")) >= 5)
        assert b'camera="goes"' in engine.metrics.render()
        await engine.cameras.remove("goes")
        processed = engine.cameras.running["stays"].ring.processed
        await until(lambda: engine.cameras.running["stays"].ring.processed > processed + 10)
        page = engine.metrics.render()
        assert b'camera="goes"' not in page
        assert b'camera="stays"' in page


async def test_the_metrics_page_shows_the_engines_counts() -> None:
    config = configured(pattern("a", pace="fast"), pattern("b"))
    async with Engine(config, model=FreeModel()) as engine:
        await messages_until(
            engine,
            lambda seen: (
                len(frames_of(seen, "a")) >= 300
                and len(frames_of(seen, "b")) >= 10
                and any(isinstance(message, results.Stats) for message in seen)
            ),
        )
    page = {
        (sample.name.removeprefix("partstream_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(engine.metrics.render().decode())
        for sample in family.samples
    }
    cameras = engine.stats().cameras
    for camera in cameras:
        name = camera.camera
        assert page["frames_decoded_total", name] == camera.decoded > 0
        assert page["frames_processed_total", name] == camera.processed > 0
        for reason in DropReason:
            assert page["frames_dropped_total", name, reason] == camera.dropped.get(reason, 0)
        assert page["results_published_total", name, "results"] == camera.processed
        assert page["frame_age_seconds_count", name] == camera.processed
        assert page["frame_age_seconds_bucket", name, "+Inf"] == camera.processed
        assert page["ring_ready_frames", name] == 0
    assert page["batch_frames_sum",] == sum(camera.processed for camera in cameras)
    assert page["batch_wait_seconds_count",] == page["batch_frames_count",]
    assert page["results_published_total", "", "stats"] >= 1


async def test_results_are_written_as_lines_that_the_schema_reads(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.jsonl"
    async with Engine(configured(pattern("a"), results=path), model=Waver()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 20)
    lines = path.read_bytes().splitlines()
    frames = [results.decode(line) for line in lines]
    assert len(frames) >= 20
    assert all(isinstance(frame, results.Frame) for frame in frames)


async def test_an_unwritable_results_file_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"results: .*can't be written"):
        async with Engine(configured(pattern("a"), results=tmp_path / "file" / "x.jsonl"), model=FreeModel()):
            pass


@pytest.mark.parametrize("missing", ["checkpoint", "weights"])
async def test_a_missing_model_is_named_before_sockets_are_opened_and_files_are_touched(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(Publisher, "start", lambda publisher: pytest.fail("sockets are opened"))
    profile = str(tmp_path / "none.safetensors") if missing == "checkpoint" else "edge"
    named = "none.safetensors: there is no such checkpoint" if missing == "checkpoint" else "weights fetch movenet"
    engine = Engine(configured(pattern("a"), model={"profile": profile}, results=tmp_path / "results.jsonl"))
    with pytest.raises(WeightsError, match=named):
        await engine.start()
    await engine.stop()
    assert not (tmp_path / "results.jsonl").exists()


async def test_a_full_disk_is_logged_and_the_engine_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results_file, "_begun", lambda path: os.open("/dev/full", os.O_WRONLY))
    engine = Engine(configured(pattern("a"), results=tmp_path / "results.jsonl"), model=FreeModel())
    async with engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 2)
    await engine.wait()
    assert "results.jsonl: No space left on device; results are missing" in caplog.text


async def test_with_once_the_run_ends_although_the_last_frames_were_stale() -> None:
    class SlowObserver(Observer):
        def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
            slow_work(0.3)  # meanwhile the frame's slot is free, and newer frames become stale

    config = configured(pattern("a", staleness_ms=100), once=True, batch={"max_frames": 1})
    async with Engine(config, model=FreeModel(), observers=[SlowObserver()]) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 2)
        engine._cameras["a"].reader.stop()  # as if the source had ended
        await engine.wait()


async def test_with_once_removing_the_last_running_camera_ends_the_run() -> None:
    async with Engine(configured(pattern("over"), pattern("runs"), once=True), model=FreeModel()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "over")) >= 2)
        engine._cameras["over"].reader.stop()  # as if the source had ended
        await messages_until(engine, lambda seen: any(isinstance(m, results.Status) for m in seen))
        await engine.cameras.remove("runs")
        await engine.wait()


async def test_a_reader_that_ends_late_does_not_report_for_the_new_camera_with_its_id() -> None:
    async with Engine(configured(pattern("a")), model=FreeModel()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 2)
        slow = engine._cameras["a"].reader
        await engine.cameras.remove("a")
        engine.cameras.add(CameraConfig(id="a", source=SourceAddress("pattern:128x96@50")))
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 2)
        await asyncio.to_thread(slow._set_status, "ended", None, "at last")
        await settle()
        assert engine.stats().cameras[0].state == "live"


async def test_a_dropped_feed_is_collected_without_waiting_for_the_publisher() -> None:
    async with Engine(configured(), model=FreeModel()) as engine:
        feed = engine.results()
        gone = weakref.ref(feed)
        feed.itself = feed  # type: ignore[attr-defined]  # so that only the collector finds it
        del feed
        with engine.publisher._lock:
            await asyncio.to_thread(gc.collect)
        assert gone() is None


async def test_an_engine_whose_only_source_can_never_open_reports_it_and_ends(tmp_path: Path) -> None:
    config = configured({"id": "a", "source": str(tmp_path / "absent.mp4")})
    async with Engine(config, model=FreeModel()) as engine:
        await engine.wait()
        assert not engine.cameras.ever_live
        assert engine.stats().cameras[0].state == "ended"


async def test_stopping_does_not_wait_for_a_model_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.engine.STOP_WITHIN_S", 1.0)
    hangs, goes_on = threading.Event(), threading.Event()

    class Hangs(FreeModel):
        def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
            hangs.set()
            goes_on.wait()
            return super().process(frames)

    engine = Engine(configured(pattern("a")), model=Hangs())
    await engine.start()
    await until(hangs.is_set)
    await engine.stop()
    assert not goes_on.is_set()
    goes_on.set()


async def test_a_bug_in_the_engine_ends_it_and_health_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Engine(configured(pattern("a")), model=FreeModel()) as engine:
        await messages_until(engine, lambda seen: len(frames_of(seen, "a")) >= 3)

        def broken(message: object) -> None:
            raise ZeroDivisionError("no such luck")

        monkeypatch.setattr(engine.publisher, "publish", broken)
        with pytest.raises(EngineFailedError, match="no such luck"):
            await engine.wait()
        assert not engine.health.alive()[0]
        monkeypatch.undo()


async def test_a_bug_in_the_http_server_ends_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(Connections, "serve", broken)
    async with Engine(configured(http={"bind": "127.0.0.1:0"}), model=FreeModel()) as engine:
        with pytest.raises(EngineFailedError, match="no such luck"):
            await engine.wait()
        assert engine.health.alive() == (False, ["its task 'http server' failed: ZeroDivisionError"])


async def test_a_port_in_use_is_an_error_with_the_field_to_change() -> None:
    async with Engine(configured(), model=FreeModel()) as engine:
        taken = configured(publish={"endpoint": engine.publisher.endpoint, "replay": "tcp://127.0.0.1:0"})
        with pytest.raises(ConfigError, match=r"publish\.endpoint.*in use"):
            async with Engine(taken, model=FreeModel()):
                pass


def test_the_slots_of_the_free_model_hold_the_decoders_own_planes() -> None:
    assert FreeModel().slot_format((641, 361), None) == SlotFormat("planes", (641, 361), (641, 361))
