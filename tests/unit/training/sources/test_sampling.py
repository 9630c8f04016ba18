"""Sampling of recorded motion: how often actions, sources, people and clips are drawn, and which frames are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.vocabulary import packaged
from training.sources.motion_clips import MotionClips
from training.sources.roles import roles, units
from training.sources.sampling import ClipSampler, Drawn, draw_window

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
    assert_shares(Counter(one.action for one in drawn(sampler)), dict.fromkeys(("walk", "run", "jump", "wave"), 0.25))


def test_shares_make_actions_more_or_less_likely_and_a_share_of_zero_leaves_one_out() -> None:
    one = clips_of("some", [["walk"], ["wave"], ["jump"]])
    sampler = ClipSampler([one], "train", VOCABULARY, shares={"walk": 3, "jump": 0, "cartwheel": 9})
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
