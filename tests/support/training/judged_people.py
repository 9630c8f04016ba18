"""Verdicts on simple people: as files with short clips, and as the clips that are learned from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from stages.verdicts import verdict_file
from stages.verdicts.verdict_file import Verdict
from support.engines.small_clips import make_clip
from support.training.data_folders import FPS, SIZE, watched_video
from support.training.example_people import flapping
from training.annotated_videos.sightings import Sightings
from training.sources.verdicts.verdict_clips import SOURCE, JudgedClip, VerdictClips, judged_clip, with_roles

FRAME_US = round(1e6 / FPS)


def verdict(
    number: int,
    said: str,
    truth: str | None,
    seen: Sightings,
    *,
    clip: str = "",
    track: int = 1,
    span: tuple[int, int] = (0, 100),
    **fields: Any,
) -> Verdict:
    """Return a verdict on a track of `seen` in the frames of `span`, with its boxes there; `truth` None: wrong."""
    own = (seen.track == track) & (seen.frame >= span[0]) & (seen.frame < span[1])
    boxes = [(int(at), *map(float, box)) for at, box in zip(seen.time_us[own], seen.box[own], strict=True)]
    content: dict[str, Any] = {
        "id": f"e0000abcd-{number}",
        "clip": clip or f"clip-{number:02}",
        "camera": "door",
        "epoch": 1,
        "track": 7,
        "said": said,
        "verdict": "wrong" if truth is None else "right" if truth == said else "really",
        "truth": truth,
        "first_us": span[0] * FRAME_US,
        "end_us": span[1] * FRAME_US,
        "size": SIZE,
        "boxes": boxes,
        "model": "edge sha256:0",
        "by": "anna",
        "at_us": 1_700_000_000_000_000 + number,
    }
    return Verdict(**content | fields)


def put_verdicts(folder: Path, *verdicts: Verdict, frames: int = 10) -> Path:
    """Write a folder of verdicts, with a short clip for each `clip` that they name. Return the folder."""
    for name in (verdict_file.CLIPS, verdict_file.LABELS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / verdict_file.LAYOUT).write_text(verdict_file.layout())
    for one in verdicts:
        verdict_file.label_path(folder, one.id).write_text(verdict_file.encode(one))
        path = verdict_file.clip_paths(folder, one.clip)[0]
        if not path.exists():
            make_clip(path, frames=frames, size=SIZE, first_number=int(one.id.rpartition("-")[2]) * 100)
    return folder


def judged_flapping(number: int, said: str, truth: str | None, **fields: Any) -> JudgedClip:
    """Return a clip of a person who moves both arms up and down, with a verdict on all of it."""
    seen = flapping(number)
    one = verdict(number, said, truth, seen, **fields)
    made, left_out = judged_clip(watched_video(SOURCE, one.clip, seen=seen), [one])
    assert made is not None, left_out
    return made


def verdict_clips(
    clips: Sequence[JudgedClip], *, hold_out: bool = True, learned_before: Collection[str] = ()
) -> VerdictClips:
    """Return verdicts as `open_verdicts` does."""
    before = frozenset(learned_before)
    made = with_roles(clips, hold_out=hold_out, learned_before=before)
    return VerdictClips(Path("verdicts"), tuple(made), fingerprint="made", learned_before=before)
