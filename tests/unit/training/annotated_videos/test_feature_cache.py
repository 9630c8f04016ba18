"""The feature cache: when videos are watched again, and how bad videos are handled."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest

from stages.region_features.roi_features import RoiConfig
from support.engines.film_models import damage, make_film
from support.training.folder_examples import BOX, STEPS, StandIn, annotated, put_folder, stand_in
from support.training.kinetics_tps_examples import FRAMES, put_clip, put_dataset
from training.annotated_videos import feature_cache
from training.annotated_videos.clips import Folder, open_folder
from training.annotated_videos.feature_cache import FEATURES, features_file, features_folder
from training.annotated_videos.sightings import SightingsFileError, key_of, read_roi, read_sightings
from training.annotated_videos.watching import WatchSettings
from training.kinetics_tps import video_file
from training.synthetic.videos.truth import truth_file

__all__ = ["stand_in"]

POOLING = RoiConfig(bins=2)


def opened(root: Path, settings: WatchSettings | None = None) -> Folder:
    return open_folder(root, settings or WatchSettings(roi=POOLING), vocabulary=None, held_out_share=0.34)


def test_each_persons_steps_have_their_labels_and_regions(tmp_path: Path, stand_in: StandIn) -> None:
    folder = opened(put_folder(tmp_path))
    assert {role: len(clips) for role, clips in folder.clips.items()} == {"train": 4, "validation": 1, "test": 1}
    assert not folder.skipped and not folder.unknown
    words = folder.vocabulary
    for clip in (clip for clips in folder.clips.values() for clip in clips):
        assert np.allclose(clip.seen.box, BOX) and clip.seen.frame.tolist() == list(range(FRAMES))
        assert len(clip.rows) == STEPS and [*clip.tracks()] == [(0, STEPS)]
        assert (clip.labels.action == words.action_index(clip.action)).all()
        assert clip.features is not None
        pooled = read_roi(clip.features, 2, 5)
        assert pooled.parts.shape == (3, 10, POOLING.length()) and pooled.objects.shape == (3, 3, POOLING.length())
        assert pooled.objects.float().std() > 0


def test_videos_are_watched_again_only_if_the_video_the_settings_or_the_code_changed(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = put_folder(tmp_path, each=1)
    fingerprint = opened(root).fingerprint
    assert stand_in.pictures == 2 * FRAMES
    assert opened(root).fingerprint == fingerprint and stand_in.pictures == 2 * FRAMES

    put_dataset(root, [annotated(root, "wave", "wave-0", left_arm="bend")])
    labelled = opened(root)
    assert stand_in.pictures == 2 * FRAMES, "another annotation needs no detection"
    assert labelled.fingerprint != fingerprint
    assert "hold" not in labelled.vocabulary.states_of["left_hand"]

    with video_file(root, "train", "wave", "wave-0").open("ab") as file:
        file.write(b"\0" * 8)
    opened(root)
    assert stand_in.pictures == 3 * FRAMES, "one video has changed"
    opened(root, WatchSettings(roi=RoiConfig(bins=1)))
    assert stand_in.pictures == 5 * FRAMES, "regions are pooled differently"
    monkeypatch.setattr(feature_cache, "code_sha256", lambda reads_regions: "another version")
    opened(root, WatchSettings(roi=RoiConfig(bins=1)))
    assert stand_in.pictures == 7 * FRAMES


def test_a_damaged_file_of_features_is_made_again(tmp_path: Path, stand_in: StandIn) -> None:
    root = put_folder(tmp_path, each=1)
    opened(root)
    kept = features_file(features_folder(root / FEATURES, WatchSettings(roi=POOLING)), "wave-0")
    whole = kept.read_bytes()
    for content in (b"", whole[:40], whole[:-100], b"\xff" * 100, b"\x10" + b"\0" * 7 + b'["a list", 1234]'):
        kept.write_bytes(content)
        assert key_of(kept) is None
        opened(root)
        assert read_sightings(kept, key_of(kept) or "").frame.tolist() == list(range(FRAMES))
    assert not [*kept.parent.glob(".*.part")]
    with pytest.raises(SightingsFileError, match="was made from another video"):
        read_sightings(kept, "0")


def test_bad_videos_and_truth_files_are_named_and_skipped(
    tmp_path: Path, stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    root = put_folder(tmp_path)
    damage(make_film(video_file(root, "train", "wave", "wave-0")))
    put_clip(video_file(root, "train", "wave", "wave-1"), b"no film at all")
    truth = truth_file(root, "stand-0")
    truth.parent.mkdir()
    truth.write_text('{"frames": [{"people": []}]}')
    truth_file(root, "stand-1").write_text('{"frames": [{"people": [{"number": "one"}]}]}')
    with caplog.at_level(logging.WARNING):
        folder = opened(root)
    names = [clip.name for clips in folder.clips.values() for clip in clips]
    assert sorted(names) == ["stand-2", "wave-2"]
    skipped = {video.path.stem: video.message for video in folder.skipped}
    assert skipped.keys() == {"wave-0", "stand-0", "stand-1"}
    assert "has 1 frames, and the video has 12" in skipped["stand-0"]
    assert "is not a valid truth file" in skipped["stand-1"] and "can't be read" in skipped["wave-0"]
    assert "wave-1" in caplog.text, "a video that cannot be opened at all is an error of the data set"
    assert folder.summary()["skipped_videos"] == 3


def test_unused_cache_folders_of_other_code_are_removed_and_nothing_else(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = put_folder(tmp_path, each=1)
    opened(root)
    opened(root, WatchSettings())
    kept = root / FEATURES
    mine = {path.name for path in kept.iterdir()}
    long_ago = time.time() - feature_cache.UNUSED_S - 60
    for name in ("01234567-89abcdef", "notes"):
        (kept / name).mkdir()
        (kept / name / "wave-0.safetensors").write_bytes(b"of another version")
    (kept / "fedcba98-76543210").mkdir()
    for path in kept.iterdir():
        if path.name != "fedcba98-76543210":
            os.utime(path, (long_ago, long_ago))
    opened(root)
    assert {path.name for path in kept.iterdir()} == mine | {"notes", "fedcba98-76543210"}
    assert stand_in.pictures == 2 * 2 * FRAMES, "this version's files are kept"

    monkeypatch.setattr(feature_cache, "code_sha256", lambda reads_regions: "another version")
    opened(root)
    used = features_folder(root / FEATURES, WatchSettings(roi=POOLING)).name.partition("-")[2]
    (left,) = mine & {path.name for path in kept.iterdir()}
    assert left.endswith(used), "other code may be using the folder that was just opened"
