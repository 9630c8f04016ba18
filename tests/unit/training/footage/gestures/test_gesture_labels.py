"""Label files of gestures: reading, errors that name their place, and the figures in docs/footage.md."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import training
from training.footage.gestures.labels import GestureLabels, instants, read_gesture_labels
from training.footage.labels import Half, LabelError
from training.footage.scoring import cohens_kappa

FOLDER = Path(training.__file__).parent / "footage" / "gestures"
FILES = {labeller: FOLDER / f"raised_and_head.{labeller}.json" for labeller in ("a", "b")}


def clip(**changes: Any) -> dict[str, Any]:
    """Return a clip of 2.1 s with a hand at the head in 0.5 to 1.0 s, with changes."""
    return {
        "source": "yard",
        "clip": "one",
        "sha256": "ab" * 32,
        "fps": 10.0,
        "frames": 21,
        "person": "man",
        "half": "test",
        "spans": {"hand_at_head": {"shown": [[0.5, 1.0]], "unsure": [[1.0, 1.25], [2.0, 2.1]]}},
    } | changes


def spans(*shown: list[float]) -> dict[str, Any]:
    return clip(spans={"hand_at_head": {"shown": list(shown)}})


def write(folder: Path, *clips: dict[str, Any], every: float = 0.25) -> Path:
    path = folder / "yard.a.json"
    content = {"labeller": "a", "made": "by eye", "every": every, "gestures": {"hand_at_head": "…"}, "clips": clips}
    path.write_text(json.dumps(content))
    return path


def shown(labels: GestureLabels, gesture: str, half: Half) -> tuple[int, int, float, float]:
    """Return the clips and people of a half that show a gesture, and the seconds shown and unsure."""
    clips = [one for one in labels.clips if one.half == half]
    found = [one for one in clips if one.spans[gesture].shown]
    seconds = sum(span.end - span.start for one in clips for span in one.spans[gesture].shown)
    unsure = sum(span.end - span.start for one in clips for span in one.spans[gesture].unsure)
    return len(found), len({(one.source, one.person) for one in found}), round(seconds, 1), round(unsure, 1)


def test_an_instant_is_shown_absent_or_unsure(tmp_path: Path) -> None:
    (one,) = read_gesture_labels(write(tmp_path, clip())).clips
    answers = [one.spans["hand_at_head"].at(time) for time in instants(one, 0.25)]
    assert instants(one, 0.25) == [0.125, 0.375, 0.625, 0.875, 1.125, 1.375, 1.625, 1.875]
    assert answers == [False, False, True, True, None, False, False, False]


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([spans([0.5, 1.0], [0.75, 1.25])], "must be in order and must not overlap"),
        ([spans([1.0, 1.25], [0.5, 0.75])], "must be in order and must not overlap"),
        ([clip(spans={"hand_at_head": {"shown": [[0.5, 1.0]], "unsure": [[0.75, 1.0]]}})], "must not overlap"),
        ([spans([2.0, 2.25])], "2 to 2.25 s of hand_at_head is not within 2.10 s"),
        ([spans([1.0, 1.0])], "1 to 1 s of hand_at_head is not within 2.10 s"),
        ([spans([0.5, 0.6])], "0.5 to 0.6 s of hand_at_head must be multiples of 0.25 s"),
        ([clip(sha256="ab")], "yard/one: sha256 must be 64 hex digits"),
        ([clip(fps=0.0)], "yard/one: fps and frames must be positive"),
        ([clip(spans={})], "yard/one: spans must have the gestures hand_at_head"),
        ([clip(), clip()], "yard/one: there are two"),
        ([clip(), clip(clip="two", half="development")], "yard/two: man is in both halves"),
        ([clip(half="both")], "not a file of gesture labels: Invalid enum value 'both'"),
    ],
)
def test_an_error_names_the_clip_and_the_fault(tmp_path: Path, clips: list[dict[str, Any]], message: str) -> None:
    path = write(tmp_path, *clips)
    with pytest.raises(LabelError) as error:
        read_gesture_labels(path)
    assert str(error.value).startswith(f"{path}:")
    assert message in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"none\.json: can't be read"):
        read_gesture_labels(tmp_path / "none.json")


def test_an_interval_of_zero_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="every: must be a positive number of seconds"):
        read_gesture_labels(write(tmp_path, every=0.0))


def test_both_labellings_cover_the_same_clips_and_gestures() -> None:
    first, second = (read_gesture_labels(path) for path in FILES.values())
    assert [first.labeller, second.labeller] == list(FILES)
    assert (first.every, first.gestures) == (second.every, second.gestures)
    facts = [
        [(one.source, one.clip, one.sha256, one.fps, one.frames, one.person, one.half) for one in labels.clips]
        for labels in (first, second)
    ]
    assert facts[0] == facts[1]


@pytest.mark.parametrize("source", ["asl", "le2i"])
def test_people_alternate_between_the_halves_in_the_order_of_their_hash(source: str) -> None:
    half_of = {one.person: one.half for one in read_gesture_labels(FILES["a"]).clips if one.source == source}
    people = sorted(half_of, key=lambda person: hashlib.sha256(f"{source}/{person}".encode()).hexdigest())
    halves = [half_of[person] for person in people]
    assert (set(halves[::2]), set(halves[1::2])) == ({"development"}, {"test"})


def test_the_halves_are_as_documented() -> None:
    labels = read_gesture_labels(FILES["a"])
    found: dict[str, tuple[int, int, int]] = {}
    for half in ("development", "test"):
        clips = [one for one in labels.clips if one.half == half]
        people = {(one.source, one.person) for one in clips}
        found[half] = len(clips), len(people), round(sum(one.seconds for one in clips))
    assert found == {"development": (37, 17, 409), "test": (60, 39, 536)}
    assert shown(labels, "arms_raised", "development") == (5, 5, 25.4, 8.4)
    assert shown(labels, "arms_raised", "test") == (5, 5, 15.3, 9.2)
    assert shown(labels, "hand_at_head", "development") == (11, 8, 19.9, 71.9)
    assert shown(labels, "hand_at_head", "test") == (21, 16, 63.8, 60.7)


@pytest.mark.parametrize(
    ("gesture", "three_way", "where_sure"),
    [
        ("arms_raised", (3783, 98.9, 0.9), (3704, 1, 1.0)),
        ("hand_at_head", (3783, 90.1, 0.73), (3172, 10, 0.98)),
    ],
)
def test_the_labellers_agree_as_documented(
    gesture: str, three_way: tuple[int, float, float], where_sure: tuple[int, int, float]
) -> None:
    first, second = (read_gesture_labels(path) for path in FILES.values())
    pairs = [
        (str(one.spans[gesture].at(time)), str(other.spans[gesture].at(time)))
        for one, other in zip(first.clips, second.clips, strict=True)
        for time in instants(one, first.every)
    ]
    same = 100 * sum(one == other for one, other in pairs) / len(pairs)
    assert (len(pairs), round(same, 1), round(cohens_kappa(pairs) or 0, 2)) == three_way
    sure = [pair for pair in pairs if "None" not in pair]
    differ = sum(one != other for one, other in sure)
    assert (len(sure), differ, round(cohens_kappa(sure) or 0, 2)) == where_sure
