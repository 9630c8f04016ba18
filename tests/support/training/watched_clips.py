"""Clips that are watched without a detector: the people in them are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.training.data_folders import one_person, seen_people
from training.annotated_videos.feature_cache import VideoFile, features_file, features_folder
from training.annotated_videos.sightings import Sightings, write_sightings
from training.annotated_videos.watching import WatchSettings


class GivenPeople(dict[str, Sightings]):
    """People to be seen in clips by file name; a clip that is not listed shows one person throughout 10 frames."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.watched: list[str] = []
        """The names of the files that were watched, in order."""
        monkeypatch.setattr("training.sources.watched_videos.watch_videos", self._watch)

    def _watch(self, cache: Path, videos: list[VideoFile], settings: WatchSettings, *_: object) -> list[object]:
        for video in videos:
            self.watched.append(video.path.name)
            people = self.get(video.path.name, seen_people(one_person(10)))
            write_sightings(features_file(features_folder(cache, settings), video.name), video.sha256, people, None)
        return []
