"""Sampling of recorded motion: how often actions, sources, people and clips are drawn, and which frames are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.vocabulary import packaged
from training.sources.motion_clips import MotionClips
from training.sources.roles import roles, units
from training.sources.sampling import SPEED, ClipSampler, Drawn, draw_window, vocabulary_indices

VOCABULARY = packaged("edge")
DRAWS = 4000


def clips_of(
    source: str, labels: Sequence[Sequence[str]], people: Sequence[str] = (), text: Sequence[str] = ()
) -> MotionClips:
    """Return clips with the actions `labels` frame by frame, "" for unknown ones."""
    actions = tuple(sorted({name for clip in labels for name in clip if name}))
    action = np.array([actions.index(name) if name else -1 for clip in labels for name in clip], dtype=np.int64)
    count = len(labels)
    return MotionClips(
        source=source,
        points=np.zeros((len(action), 1, 3)),
        names=("pelvis",),
        start=np.concatenate([[0], np.cumsum([len(clip) for clip in labels])]).astype(np.int64),
        action=action,
        actions=actions,
        text=list(text) or [""] * count,
        person=list(people) or [""] * count,
        fps=np.full(count, 30.0),
        size=np.zeros((count, 2), np.int64),
    )


def drawn(sampler: ClipSampler, count: int = DRAWS, action: str | None = None) -> list[Drawn]:
    rng = np.random.default_rng(5)
    return [sampler.draw(rng, action) for _ in range(count)]


def assert_shares(counts: Counter[str], expected: dict[str, float]) -> None:
    """Check counts against shares to within four standard deviations of chance."""
    assert set(counts) == {name for name, share in expected.items() if share > 0}
    for name, share in expected.items():
        spread = (DRAWS * share * (1 - share)) ** 0.5
        assert abs(counts[name] - DRAWS * share) <= 4 * spread, (name, counts)


def test_actions_are_equally_likely_however_many_clips_they_have() -> None:
    one = clips_of("some", [["walk"] * 4] * 50 + [["wave"] * 2] + [["jump", "", "run"]] * 3)
    sampler = ClipSampler([one], "train", VOCABULARY)
    assert sampler.actions() == ("walk", "run", "jump", "wave")
    assert_shares(Counter(one.action for one in drawn(sampler)), dict.fromkeys(sampler.actions(), 0.25))


def test_shares_make_actions_more_or_less_likely_and_a_share_of_zero_leaves_one_out() -> None:
    one = clips_of("some", [["walk"], ["wave"], ["jump"]])
    sampler = ClipSampler([one], "train", VOCABULARY, shares={"walk": 3, "jump": 0, "cartwheel": 9})
    assert sampler.actions() == ("walk", "wave")
    assert_shares(Counter(one.action for one in drawn(sampler)), {"walk": 0.75, "wave": 0.25})
    # An evaluation may still ask for it.
    assert sampler.draw(np.random.default_rng(0), "jump").action == "jump"


def test_a_source_is_drawn_by_the_square_root_of_its_clips_with_the_action() -> None:
    large = clips_of("large", [["walk"]] * 81 + [["run"]] * 500)
    small = clips_of("small", [["walk"]] * 9)
    sampler = ClipSampler([large, small], "train", VOCABULARY)
    counts = Counter(one.clips.source for one in drawn(sampler, action="walk"))
    assert_shares(counts, {"large": 9 / 12, "small": 3 / 12})


def test_people_are_equally_likely_however_many_repetitions_they_have() -> None:
    people = ["a"] * 90 + ["b"] * 9 + [""]
    one = clips_of("some", [["clap"]] * 100, people)
    sampler = ClipSampler([one], "train", VOCABULARY)
    counts = Counter(one.clips.person[one.clip] or "unknown" for one in drawn(sampler))
    assert_shares(counts, dict.fromkeys(("a", "b", "unknown"), 1 / 3))


def test_repetitions_of_one_content_and_style_count_as_one_person_in_bandai_namco() -> None:
    text = [f"dataset-1 bow {style} {number:03}" for style in "abcdefghijklmnop" for number in range(2, 5)]
    text += [f"dataset-1 bow a {number:03}" for number in range(5, 80)]
    one = clips_of("bandai_namco", [["other"]] * len(text), text=text)
    contents = [name[:-4] for name in text]
    assert units(one) == contents
    training = {content for content, role in zip(contents, roles(one), strict=True) if role == "train"}
    assert 1 < len(training) < 16
    counts = Counter(contents[one.clip] for one in drawn(ClipSampler([one], "train", VOCABULARY)))
    assert_shares(counts, dict.fromkeys(training, 1 / len(training)))


def test_only_clips_of_the_role_are_drawn() -> None:
    people = [f"s{number:02}" for number in range(10) for _ in range(3)]
    one = clips_of("some", [["punch", "", "kick"]] * 30, people)
    role = roles(one)
    for name in ("train", "validation", "test"):
        seen = {one.clip for one in drawn(ClipSampler([one], name, VOCABULARY))}
        assert seen == set(np.flatnonzero(role == name).tolist())


def test_unknown_people_do_not_count_and_have_no_role_where_people_are_divided() -> None:
    known = [f"s{number:02}" for number in range(10)]
    few, divided = (roles(clips_of("some", [["punch"]] * (count + 2), [*known[:count], "", ""])) for count in (9, 10))
    assert set(few) == {"train"}
    assert divided[-2:].tolist() == ["", ""]
    assert divided[:-2].tolist() == roles(clips_of("some", [["punch"]] * 10, known)).tolist()


def test_the_last_frame_is_any_frame_of_the_action_and_no_other() -> None:
    one = clips_of("some", [["", "walk", "run", "walk", ""], ["run", "walk"]])
    seen = {(one.clip, one.last) for one in drawn(ClipSampler([one], "train", VOCABULARY), action="walk")}
    assert seen == {(0, 1), (0, 3), (1, 1)}


def test_actions_outside_the_vocabulary_are_unknown() -> None:
    one = clips_of("some", [["swim", "walk", ""]])
    assert ClipSampler([one], "train", VOCABULARY).actions() == ("walk",)
    targets = vocabulary_indices(one, VOCABULARY)[one.action]
    assert targets.tolist() == [-1, VOCABULARY.action_index("walk"), -1]


def test_nothing_to_draw_is_an_error_that_names_the_sources() -> None:
    one = clips_of("some", [["walk"]])
    with pytest.raises(ValueError, match=r"no test clip .*\(sources: some\)"):
        ClipSampler([one], "test", VOCABULARY)
    with pytest.raises(ValueError, match="sources: none"):
        ClipSampler([], "train", VOCABULARY)
    with pytest.raises(ValueError, match="no train clip"):
        ClipSampler([one], "train", VOCABULARY, shares={"walk": 0})
    with pytest.raises(ValueError, match="'swim' is not an action"):
        ClipSampler([one], "train", VOCABULARY, shares={"swim": 1})
    with pytest.raises(ValueError, match="0 or more, not -1"):
        ClipSampler([one], "train", VOCABULARY, shares={"walk": -1})
    with pytest.raises(ValueError, match="no clip shows 'run'; available: walk"):
        ClipSampler([one], "train", VOCABULARY).draw(np.random.default_rng(0), "run")


def test_equal_random_states_draw_the_same() -> None:
    sampler = ClipSampler([clips_of("some", [["walk"] * 9] * 9)], "train", VOCABULARY)
    first, second = drawn(sampler, 20), drawn(sampler, 20)
    assert [(one.clip, one.last) for one in first] == [(one.clip, one.last) for one in second]


# -- windows -----------------------------------------------------------------------------------------------------
step_times = st.lists(st.floats(0.03, 2.0), min_size=0, max_size=39).map(
    lambda gaps: np.concatenate([-np.cumsum(gaps)[::-1], [0.0]]) if gaps else np.zeros(1)
)


@given(step_times, st.integers(1, 200), st.data(), st.booleans(), st.sampled_from([0.0, 15.0, 60.0]))
def test_a_window_ends_at_the_last_frame_and_stays_in_the_clip(
    times: np.ndarray, length: int, data: st.DataObject, looped: bool, fps: float
) -> None:
    last = data.draw(st.integers(0, length - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    found = draw_window(rng, times, length=length, last=last, fps=fps, looped=looped)
    assert found[-1] == last and found.min() >= 0 and found.max() <= length - 1
    if looped and length > 1:
        assert len(found) == len(times)


@given(step_times, st.integers(0, 999), st.integers(0, 99))
def test_a_window_keeps_the_steps_times_at_one_speed_within_15_percent(times: np.ndarray, last: int, seed: int) -> None:
    found = draw_window(np.random.default_rng(seed), times, length=1000, last=last, fps=25.0)
    if len(found) > 1:
        speeds = np.diff(found) / (25.0 * np.diff(times[-len(found) :]))
        np.testing.assert_allclose(speeds, speeds[0], rtol=1e-5)
        assert 1 - SPEED - 1e-6 <= speeds[0] <= 1 + SPEED + 1e-6
    # Every step that was left out lies before the clip.
    speed = (found[-1] - found[0]) / (25.0 * (times[-1] - times[-len(found)])) if len(found) > 1 else 1 + SPEED
    assert (last + 25.0 * speed * times[: -len(found)] < 1e-6).all()


@given(st.integers(2, 60), st.data())
def test_a_looped_clip_moves_to_and_fro_one_frame_at_a_time(length: int, data: st.DataObject) -> None:
    last = data.draw(st.integers(0, length - 1))
    rate = 30.0
    times = -np.arange(200)[::-1] / 100.0 / rate  # at most 1.15 hundredths of a frame a step
    found = draw_window(np.random.default_rng(1), times * 30, length=length, last=last, looped=True)
    # Walk back frame by frame, turning at either end.
    step = abs(found[-1] - found[-2]) if last != 0 else None
    position, direction, expected = float(last), -1, [float(last)]
    if step is not None and step > 0:
        for _ in range(len(times) - 1):
            position += direction * step
            if position < 0:
                position, direction = -position, 1
            elif position > length - 1:
                position, direction = 2 * (length - 1) - position, -1
            expected.append(position)
        np.testing.assert_allclose(found[::-1], expected, atol=1e-6)


def test_an_unknown_frame_rate_counts_as_30() -> None:
    times = np.linspace(-2, 0, 20)
    unknown, usual = (
        draw_window(np.random.default_rng(3), times, length=500, last=400, fps=fps) for fps in (0.0, 30.0)
    )
    np.testing.assert_array_equal(unknown, usual)


def test_a_last_frame_outside_the_clip_is_an_error() -> None:
    with pytest.raises(ValueError, match="frame 5 is not in a clip of 5"):
        draw_window(np.random.default_rng(0), np.zeros(1), length=5, last=5)
