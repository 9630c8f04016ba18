"""Alarms of a rules file on the clips of verdicts and on further videos, as the engine raises them."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.gate.trial import AT_ONCE, TrialVideo, count_alarms
from stream.settings.config_error import ConfigError
from support.engines.small_clips import make_clip

EMPTY = "{people: {at_most: 0}, for: 500ms, hours: {from: '00:00', to: '00:01', time_zone: Europe/Berlin}"


def put_rules(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def counted(rules: Path, videos: list[TrialVideo], folder: Path) -> int:
    found = count_alarms(rules, None, videos, "free", "cpu", folder)
    assert found.hours == pytest.approx(len(videos) * 24 / 25 / 3600)
    return found.alerts


def test_alerts_are_counted_on_every_video_at_any_hour_except_in_confirmed_spans(tmp_path: Path) -> None:
    rules = put_rules(tmp_path, f"rules: {{empty: {EMPTY}}}}}")
    clips = [make_clip(tmp_path / f"{number}.mp4", frames=25, size=(128, 96)) for number in range(AT_ONCE + 1)]
    assert counted(rules, [TrialVideo(clip, "hall") for clip in clips], tmp_path) == AT_ONCE + 1
    confirmed = TrialVideo(clips[0], "hall", (("fall", 100_000, 900_000),))
    assert counted(rules, [confirmed, TrialVideo(clips[1], "hall", (("fall", 2_000_000, 3_000_000),))], tmp_path) == 1


def test_a_rule_for_a_camera_is_tried_on_its_videos_only(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=25, size=(128, 96))
    videos = [TrialVideo(clip, "hall"), TrialVideo(clip, "door"), TrialVideo(clip)]
    assert counted(put_rules(tmp_path, f"rules: {{empty: {EMPTY}, cameras: [door]}}}}"), videos, tmp_path) == 1
    with pytest.raises(ConfigError, match="no rule is for a camera of these videos"):
        counted(put_rules(tmp_path, f"rules: {{empty: {EMPTY}, cameras: [yard]}}}}"), videos, tmp_path)
