"""A machine that is too slow for one camera's crowd leaves the other cameras their frames and their looks."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np

from ring_buffers.frame_ring import FrameRing
from stages.looks import REGION_SIDE
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stages.types import FrameAnalysis
from stream.inference.batcher import Batcher
from stream.settings.engine import BatchConfig
from support.models.bright_people import SIZE, Person, bright_pipeline, drawn_frames

MS = 1_000_000
WHOLE_MS, REGION_MS, FRAME_MS = 150, 25, 0.3
"""Simulated times of a whole picture, a region, and everything else in a frame."""
FRAMES = 40


def crowd(number: int) -> list[Person]:
    """Sixty people who all move."""
    corners = [(8 + 76 * (n % 10) + 2 * (number % 2), 4 + 84 * (n // 10)) for n in range(60)]
    return [(x, y, x + 30, y + 70) for x, y in corners]


def walker(number: int) -> list[Person]:
    return [(100 + 6 * number, 200, 140 + 6 * number, 320)]


SCENES: dict[str, list[list[Person]]] = {
    "plaza": [crowd(number) for number in range(FRAMES)],
    "hall": [walker(number) for number in range(FRAMES)],
    "lobby": [walker(number) for number in range(FRAMES)],
    "yard": [[] for _ in range(FRAMES)],
}


def test_sixty_people_in_view_of_one_camera_starve_no_other_camera_and_cheap_frames_are_not_dropped() -> None:
    """The four cameras send 12.5 frames a second, and need 2.5 times the simulated machine."""
    pipeline, network = bright_pipeline(
        PipelineSettings(model=ModelSettings(max_people=64), window=WindowSettings(steps=12))
    )
    now = 0
    batcher = Batcher(BatchConfig(), lambda: now)
    batcher.needs_look = pipeline.needs_look
    rings = {camera: FrameRing(camera) for camera in SCENES}
    sources = {camera: list(drawn_frames(pipeline, scenes, camera)) for camera, scenes in SCENES.items()}
    for ring in rings.values():
        ring.begin_epoch(1, pipeline.slot_format(SIZE, None))
        batcher.add(ring, 500 * MS)
    answered: dict[str, dict[int, FrameAnalysis]] = {camera: {} for camera in SCENES}
    slowest_ms: Counter[str] = Counter()
    while any(sources.values()) or any(ring.ready for ring in rings.values()):
        for camera, frames in sources.items():
            while frames and frames[0].meta.media_us * 1000 <= now:
                given = frames.pop(0)
                slot = rings[camera].acquire()
                assert slot is not None
                np.copyto(slot.picture, given.picture)
                rings[camera].commit(slot, msgspec.structs.replace(given.meta, arrival_ns=now, ready_ns=now))
        batch = batcher.next_batch(0.0)
        if not batch:
            now += MS
            continue
        network.pictures.clear()
        analyses = pipeline.process(batch)
        whole = sum(size[1] > REGION_SIDE for size in network.pictures)
        took_ms = FRAME_MS * len(batch) + REGION_MS * (len(network.pictures) - whole) + WHOLE_MS * whole
        now += round(took_ms * MS)
        if looked := sum(one.look.anything for one in analyses):
            batcher.batch_done(took_ms / 1000, looked)
        for lease, analysis in zip(batch, analyses, strict=True):
            camera = lease.meta.camera
            rings[camera].release(lease)
            answered[camera][lease.meta.frame] = analysis
            slowest_ms[camera] = max(slowest_ms[camera], (now - lease.meta.arrival_ns) // MS)
    looks = {camera: sum(one.look.anything for one in of.values()) for camera, of in answered.items()}
    assert rings["plaza"].dropped["stale"] > FRAMES / 3, "the machine is too slow"
    assert looks["plaza"] >= FRAMES / 4 and len(answered["plaza"][FRAMES - 1].people) == 60
    for camera in ("hall", "lobby"):
        assert looks[camera] >= looks["plaza"] - 2, "cameras take turns"
        assert any(one.people for one in answered[camera].values())
    first = min(answered["yard"])
    assert first < FRAMES / 4, "it waited for its first look"
    assert sorted(answered["yard"]) == list(range(first, FRAMES))
    assert slowest_ms["yard"] <= 2 * WHOLE_MS
