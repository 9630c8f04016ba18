"""Alarms of a rules file on videos, as the engine raises them."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.gate.measuring import AT_ONCE, Trial, TrialVideo, try_rules
from support.engines.small_clips import make_clip

EMPTY = "{people: {at_most: 0}, for: 500ms, hours: {from: '00:00', to: '00:01', time_zone: Europe/Berlin}"
CONFIG = """
cameras:
  - id: hall
    source: rtsp://127.0.0.1/hall
    enabled: false
    zones: {all: {points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
"""


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def tried(rules: str, videos: list[TrialVideo], folder: Path, config: Path | None = None) -> Trial:
    return try_rules(put(folder / "rules.yaml", rules), config, videos, "free", "cpu", folder)


def test_alerts_are_found_on_every_video_at_any_hour(tmp_path: Path) -> None:
    clips = [make_clip(tmp_path / f"{number}.mp4", frames=25, size=(128, 96)) for number in range(AT_ONCE + 1)]
    found = tried(f"rules: {{empty: {EMPTY}}}}}", [TrialVideo(clip) for clip in clips], tmp_path)
    assert sorted(one.video for one in found.raised) == [f"video-{number}" for number in range(AT_ONCE + 1)]
    assert {(one.what, one.begin_s) for one in found.raised} == {("empty", 0.0)}
    assert found.seconds == pytest.approx([24 / 25] * (AT_ONCE + 1))


def test_videos_count_only_where_a_rule_applies(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=25, size=(128, 96))
    config = put(tmp_path / "partstream.yaml", CONFIG)
    videos = [TrialVideo(clip, "hall"), TrialVideo(clip, "door"), TrialVideo(clip)]

    def found(rule: str) -> tuple[int, int]:
        trial = tried(f"rules: {{empty: {EMPTY}, {rule}}}}}", videos, tmp_path, config)
        return len(trial.raised), len(trial.seconds)

    assert found("cameras: [door]") == (1, 1)
    assert found("zone: all") == (1, 1), "the configured camera is analysed though it is not enabled"
    assert found("zone: [all, gate]") == (1, 1)
    assert found("cameras: [yard]") == found("zone: gate") == found("cameras: [door], zone: all") == (0, 0)
