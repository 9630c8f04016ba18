"""The load of the inference thread: what is measured, which level the model gets, and what is logged and reported."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

import pytest

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, SlotFormat
from ring_buffers.policy import Policy
from stages.ease_levels import FULL_QUALITY, EaseLevel
from stages.free_model import FreeModel
from stages.looks import NOTHING, SKIPPED, WHOLE, Look
from stream.inference.batcher import Batcher
from stream.inference.load_control import HOLD_S, Work
from stream.inference.load_watch import WAKE_S, LoadWatch
from stream.results import Load
from stream.settings.engine import BatchConfig

SMALL = SlotFormat("planes", (4, 2), (4, 2))
FRAME_NS = 40_000_000


class EasyModel(FreeModel):
    """A model with two further levels, at which a frame costs half and a quarter; notes how it is eased."""

    ease_levels: Sequence[EaseLevel] = (FULL_QUALITY, EaseLevel(8.0), EaseLevel(4.0, 512))  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self) -> None:
        super().__init__()
        self.eased: list[tuple[int, set[str]]] = []

    def ease(self, level: int, spared: Collection[str] = ()) -> None:
        self.eased.append((level, set(spared)))

    def cost(self, seconds: float) -> float:
        return seconds / 2 ** self.eased[-1][0] if self.eased else seconds

    def ease_cost(self, level: int, frame_rates: Sequence[float]) -> float:
        return sum(frame_rates) / 2**level


class Play:
    """Plays the inference thread and cameras with 25 frames a second each, with a clock of its own."""

    def __init__(self, adapt: bool = True, **cameras: Policy) -> None:
        self.now = 1_000_000_000
        self.batcher = Batcher(BatchConfig(), lambda: self.now)  # pyright: ignore[reportCallIssue]
        self.load = LoadWatch(self.batcher, adapt, lambda: self.now)
        self.model = EasyModel()
        self.rings = {name: FrameRing(name, 8, policy) for name, policy in cameras.items()}
        for ring in self.rings.values():
            ring.begin_epoch(1, SMALL)
            self.batcher.add(ring, 500_000_000)
        self.load.watch(self.model)
        self.model.eased.clear()

    def run(self, seconds: float, frame_s: float, look: Look = WHOLE) -> None:
        """Analyse frames for a time; each takes `frame_s` in full quality. `look`: of the camera `door`."""
        end = self.now + int(seconds * 1e9)
        while self.now < end:
            self.load.update()
            batch = self.batcher.next_batch(0.0)
            if not batch:
                self.let(0.01)
                continue
            self.load.set_level()
            took_s = self.model.cost(frame_s) * len(batch)
            self.let(took_s)
            self.batcher.batch_done(took_s, len(batch))
            looks = [look if lease.meta.camera == "door" else WHOLE for lease in batch]
            self.load.batch_done(took_s, batch, looks)
            for lease in batch:
                self.rings[lease.meta.camera].release(lease)

    def let(self, seconds: float) -> None:
        """Let time pass, in which the cameras send frames."""
        before = self.now
        self.now += int(seconds * 1e9)
        for ring in self.rings.values():
            for _ in range(self.now // FRAME_NS - before // FRAME_NS):
                if slot := ring.acquire():
                    times = (0, 0, "arrival", self.now, self.now)
                    ring.commit(slot, FrameMeta(ring.camera, 1, ring.frames_in_epoch, *times, (4, 2), SMALL))


def test_a_slow_model_is_eased_and_restored_when_it_is_fast_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    play = Play(door="latest")
    play.run(3.0, 0.1)
    assert play.model.eased == [(2, set())]
    assert play.load.report() == Load(2, 2, False, 4.0, 512)
    assert "too slow" in caplog.records[0].message and caplog.records[0].levelname == "WARNING"
    assert caplog.records[0].message.endswith(
        "ease level 2 of 2: at most 4 detections per second and camera, detector pictures of at most 512 pixels"
    )
    play.run(3 * (HOLD_S + 3.0), 0.001)
    assert play.model.eased == [(2, set()), (1, set()), (0, set())]
    assert play.load.report() == Load(0, 2, False, None, None)
    assert [record.message for record in caplog.records[-2:]] == [
        "the load has fallen; ease level 1 of 2: at most 8 detections per second and camera",
        "the load has fallen; full quality again",
    ]


def test_a_model_that_was_eased_before_begins_at_full_quality() -> None:
    model = EasyModel()
    LoadWatch(Batcher(BatchConfig()), False).watch(model)  # pyright: ignore[reportCallIssue]
    assert model.eased == [(0, set())]


def test_when_it_is_eased_the_backlog_is_dropped_but_for_each_cameras_newest_frame() -> None:
    play = Play(door="latest", film="every")
    play.let(0.32)
    assert [ring.ready for ring in play.rings.values()] == [8, 8]
    play.load._drop_backlog()
    assert [ring.ready for ring in play.rings.values()] == [1, 8]


def test_frames_that_wait_for_the_model_are_spared_and_no_load() -> None:
    play = Play(film="every")
    play.run(30.0, 0.1)
    assert play.model.eased == []
    assert play.load.report() == Load(0, 2, False, None, None)
    mixed = Play(door="latest", film="every")
    mixed.run(5.0, 0.1)
    level, spared = mixed.model.eased[-1]
    assert (level > 0, spared) == (True, {"film"})


def test_frames_in_which_there_was_nothing_to_look_at_are_left_out_of_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(door="latest", gate="latest")
    observed: list[Work] = []
    monkeypatch.setattr(play.load._control, "observe", lambda now_s, work: observed.append(work))
    play.run(4.0, 0.001, NOTHING)
    assert sum(work.arrived["door"] for work in observed) <= 1
    arrived = sum(work.arrived["gate"] for work in observed)
    assert 97 <= arrived <= 100 and arrived - 1 <= sum(work.analysed for work in observed) <= arrived


def test_frames_that_settings_or_level_leave_out_arrive_and_are_analysed_but_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Play(door="latest", gate="latest")
    observed: list[Work] = []
    monkeypatch.setattr(play.load._control, "observe", lambda now_s, work: observed.append(work))
    play.run(4.0, 0.001, SKIPPED)
    arrived = {name: sum(work.arrived[name] for work in observed) for name in ("door", "gate")}
    assert 97 <= arrived["door"] <= 100 and 97 <= arrived["gate"] <= 100
    assert sum(arrived.values()) - 2 <= sum(work.analysed for work in observed) <= sum(arrived.values())
    assert arrived["gate"] - 1 <= sum(work.looked for work in observed) <= arrived["gate"]
    assert not any(work.lost or work.late for work in observed)


def test_a_camera_that_is_removed_takes_its_counts_with_it() -> None:
    play = Play(door="latest", gate="latest")
    play.run(3.0, 0.1)
    play.batcher.remove(play.rings.pop("gate"))
    play.run(60.0, 0.001)
    assert play.load.report().ease_level == 0


def test_without_adapting_the_model_keeps_full_quality_and_is_overloaded(caplog: pytest.LogCaptureFixture) -> None:
    play = Play(adapt=False, door="latest")
    play.run(3.0, 0.1)
    assert play.model.eased == []
    assert play.load.report() == Load(0, 0, True, None, None)
    assert play.batcher.drops_for_newer
    assert [record.message.partition(":")[0] for record in caplog.records] == ["the model is too slow for the cameras"]


def test_an_overload_at_the_highest_level_is_logged_once_in_five_minutes(caplog: pytest.LogCaptureFixture) -> None:
    play = Play(door="latest")
    assert not play.batcher.drops_for_newer
    play.run(290.0, 0.2)
    assert play.load.report().overloaded
    warned = [record for record in caplog.records if "the model is too slow" in record.message]
    assert len(warned) == 1
    play.run(30.0, 0.2)
    assert sum("the model is too slow" in record.message for record in caplog.records) == 2


def test_the_inference_thread_wakes_without_frames_only_while_a_level_may_have_to_be_restored() -> None:
    play = Play(door="latest")
    assert play.load.patience_s is None
    play.run(3.0, 0.1)
    assert play.load.patience_s == WAKE_S
    play.batcher.remove(play.rings.pop("door"))
    play.run(60.0, 0.1)
    assert play.load.patience_s is None
