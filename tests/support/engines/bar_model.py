"""A model whose only person is the moving bar of the test picture, so that the picture shows where its box belongs."""

from __future__ import annotations

from collections.abc import Sequence

from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, ModelInfo, ObjectAnalysis, PartAnalysis, PersonAnalysis

FRAMES_AN_ACTION = 40
ACTIONS = ("walk", "pick_up")
PART = "right_hand"
CUP = ObjectAnalysis("cup", (30.0, 100.0, 70.0, 140.0), 0.6)


class BarModel(FreeModel):
    """Person 1 is at the bar, and walks and picks up in turn, for `FRAMES_AN_ACTION` frames each."""

    def __init__(self, experimental: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.info = ModelInfo("bar", "", True, experimental)

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Return one person per frame, who holds a cup."""
        return [FrameAnalysis([_person(lease)], [CUP], tracks=1) for lease in frames]


def _person(lease: Lease) -> PersonAnalysis:
    meta = lease.meta
    width, height = meta.size
    left = float(meta.frame * 4 % width)
    box = (left, height / 2, min(float(width), left + max(2, width // 40)), float(height))
    turn = meta.frame // FRAMES_AN_ACTION
    label, other = ACTIONS[turn % 2], ACTIONS[(turn + 1) % 2]
    began_us = max(0, meta.media_us - meta.frame % FRAMES_AN_ACTION * 40_000)
    return PersonAnalysis(
        track=1,
        box=box,
        score=0.9,
        action=ActionAnalysis(label, 0.8, began_us, [(label, 0.8), (other, 0.15)], label, 0.8),
        parts=[
            PartAnalysis(PART, (20.0, 100.0, 60.0, 140.0), 0.8, 0.9, [("hold", 0.7), ("raise", 0.3)], "cup"),
            PartAnalysis("head", (20.0, 60.0, 50.0, 90.0), 0.8, 0.2, [("turn", 0.6)]),
        ],
    )
