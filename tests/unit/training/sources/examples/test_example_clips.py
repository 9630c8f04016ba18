"""A folder of example clips: its layout, names, clips that cannot be used, and which are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engines.small_clips import make_clip
from support.training.data_folders import seen_people
from support.training.example_people import watched_examples
from support.training.watched_clips import GivenPeople
from training.sources.examples.example_clips import find_clips, layout_of, open_examples, with_roles
from training.sources.terms import DataFolderError


def put_clip(folder: Path, name: str, first_number: int = 0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_clip(path, frames=10, first_number=first_number)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> GivenPeople:
    return GivenPeople(monkeypatch)


def test_a_folder_of_clips_by_action_is_told_from_annotated_videos(tmp_path: Path) -> None:
    put_clip(tmp_path / "mine", "star_jump/a.mp4")
    (tmp_path / "annotated" / "train_videos" / "walk").mkdir(parents=True)
    assert layout_of(tmp_path / "mine") == "examples"
    assert layout_of(tmp_path / "annotated") == "annotated"
    assert layout_of(tmp_path / "nowhere") == "annotated", "opening it says that it is missing"


def test_another_folder_is_an_error_that_shows_both_layouts(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match=r"neither examples nor annotated.*star_jump/clip-1\.mp4.*train_videos/"):
        layout_of(tmp_path)
    put_clip(tmp_path, "a.mp4")
    with pytest.raises(DataFolderError, match=r"have no action: move them to a folder with its name"):
        layout_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("Star Jump", "star_jump"), ("2nd", "star_jump"), ("star-jump", "star_jump"), ("a" * 41, "star_jump")],
)
def test_a_name_that_cannot_be_an_action_is_an_error_with_one_that_can(name: str, advice: str, tmp_path: Path) -> None:
    put_clip(tmp_path, f"{name}/a.mp4")
    with pytest.raises(DataFolderError, match=rf"{name}: the folder's name becomes .*such as {advice}; rename it"):
        find_clips(tmp_path)


def test_a_clip_lasts_from_its_first_frame_to_its_last(tmp_path: Path) -> None:
    put_clip(tmp_path, "hop/a.mp4")
    (clip,), left_out = find_clips(tmp_path)
    assert left_out == [] and (clip.name, clip.frames, clip.fps, clip.size) == ("hop/a", 10, 25.0, (320, 180))
    assert [(one.first, one.end, one.label) for one in clip.segments] == [(0, 10, "hop")]


def test_clips_that_cannot_be_used_are_left_out_and_named(tmp_path: Path, watched: GivenPeople) -> None:
    put_clip(tmp_path / "mine", "hop/good.mp4")
    put_clip(tmp_path / "mine", "hop/empty_scene.mp4", first_number=50)
    (tmp_path / "mine" / "hop" / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "mine" / "skip").mkdir()
    watched["empty_scene.mp4"] = seen_people({})
    found = open_examples(tmp_path / "mine", cache=tmp_path / "cache")
    assert [video.video.name for video in found.videos] == ["hop/good"] and found.actions == ("hop",)
    messages = "\n".join(found.left_out)
    assert "hop/broken.mp4: can't be opened or decoded" in messages
    assert "hop/empty_scene.mp4: no person is tracked in at least half" in messages
    assert "skip: holds no video" in messages
    assert found.summary()["clips"] == {"hop": {"learned": 1, "held_out": 0}}


def test_an_action_without_a_usable_clip_is_an_error(tmp_path: Path, watched: GivenPeople) -> None:
    put_clip(tmp_path / "mine", "hop/good.mp4")
    put_clip(tmp_path / "mine", "skip/empty_scene.mp4", first_number=50)
    watched["empty_scene.mp4"] = seen_people({})
    with pytest.raises(DataFolderError, match=r"no clip of skip can be learned from: .*empty_scene\.mp4"):
        open_examples(tmp_path / "mine", cache=tmp_path / "cache")


@pytest.mark.parametrize(("clips", "held_out"), [(1, 0), (4, 0), (5, 1), (10, 2), (12, 2), (13, 3)])
def test_one_in_five_clips_is_held_out_if_there_are_five(clips: int, held_out: int) -> None:
    roles = [video.role for video in with_roles(watched_examples("hop", clips), hold_out=True)]
    assert roles.count("test") == held_out and roles.count("train") == clips - held_out
    assert all(video.role == "train" for video in with_roles(watched_examples("hop", clips), hold_out=False))
