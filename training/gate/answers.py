"""What both checkpoints answer: alarms on videos, events of verdicts, instants of the footage, generated sequences."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.checkpoint import DEFAULT_WINDOW_STEPS, Checkpoint
from stages.heads.network import ActionNetwork
from training.footage import judging
from training.gate.decision import Alarm, Alarms, Judged, LabelledPerson, Sequences
from training.scoring.films import ActionEvent, AnsweredFilm, action_events
from training.sequences import Tensors, last_answers, to_tensors
from training.sources.verdicts.verdict_clips import JudgedClip
from training.synthetic.sequences.generator import Generator

MINUTE_S = 60.0


class Raised(NamedTuple):
    """An alarm of one checkpoint: its action or rule, the person (None: a number of people), and seconds of the video.

    A person has the same `track` with both checkpoints, because the detector and the tracker are the same.
    """

    video: str
    what: str
    track: int | None
    begin_s: float
    end_s: float


_Key = tuple[str, str, int | None]


def alarms(what: str, seconds: Iterable[float], old: Sequence[Raised], new: Sequence[Raised]) -> Alarms:
    """Return the paired alarms of both checkpoints. `seconds`: the lengths of the videos; `what` names the alarms."""
    lengths = list(seconds)
    minutes = sum(math.ceil(length / MINUTE_S) for length in lengths)
    return Alarms(what, sum(lengths) / 3600, minutes, list(paired(old, new)))


def paired(old: Sequence[Raised], new: Sequence[Raised]) -> Iterator[Alarm]:
    """Yield every alarm once: one of OLD and one of NEW that overlap, of the same video, person and action, are one."""
    by_key: dict[_Key, tuple[list[Raised], list[Raised]]] = {}
    for side, ones in enumerate((old, new)):
        for one in sorted(ones, key=_begin):
            by_key.setdefault((one.video, one.what, one.track), ([], []))[side].append(one)
    for these, those in by_key.values():
        while these and those:
            if these[0].end_s < those[0].begin_s:
                yield _alarm(these.pop(0), old=True, new=False)
            elif those[0].end_s < these[0].begin_s:
                yield _alarm(those.pop(0), old=False, new=True)
            else:
                yield _alarm(min(these.pop(0), those.pop(0), key=_begin), old=True, new=True)
        yield from (_alarm(one, old=True, new=False) for one in these)
        yield from (_alarm(one, old=False, new=True) for one in those)


def _begin(one: Raised) -> float:
    return one.begin_s


def _alarm(one: Raised, *, old: bool, new: bool) -> Alarm:
    return Alarm(one.what, (one.video, int(one.begin_s // MINUTE_S)), old, new)


class Fact(NamedTuple):
    """What verdicts say of a person: that it does an action in the frames `first` to `stop`, exclusive, or not."""

    track: int
    label: str
    true: bool
    first: int
    stop: int


class Verdicts(NamedTuple):
    """The events that people confirmed or named otherwise, and those that were not what was said.

    A `really` is in both: its true action is confirmed, and what was said was wrong.
    """

    confirmed: list[Judged]
    wrong: list[Judged]


def facts(clip: JudgedClip) -> list[Fact]:
    """Return what the verdicts of a clip say, each fact once, the latest verdict first.

    An alert and the event behind it have a verdict each, and a verdict may be given again: of those on one person and
    action that overlap, the latest counts.
    """
    found: list[Fact] = []
    for one in reversed(clip.judged):
        verdict, frames = one.verdict, clip.frames(one)
        said = [] if verdict.verdict == "right" else [Fact(one.track, verdict.said, False, *frames)]
        true = [] if verdict.truth is None else [Fact(one.track, verdict.truth, True, *frames)]
        found += [fact for fact in true + said if not any(_same(fact, later) for later in found)]
    return found


def judged_verdicts(
    clips: Sequence[JudgedClip],
    old: Mapping[str, AnsweredFilm],
    new: Mapping[str, AnsweredFilm],
    *,
    known: Collection[str],
) -> Verdicts:
    """Return whether each checkpoint raises the verdicts' actions on their people.

    `old` and `new`: the checkpoints' answers by the clip's name. `known`: the actions of either; others, such as
    written ones, are left out, because neither can raise them.
    """
    found = Verdicts([], [])
    for clip in clips:
        events = [action_events(films[clip.name]) for films in (old, new)]
        for fact in facts(clip):
            if fact.label in known:
                raised_old, raised_new = (any(_shows(event, fact) for event in each) for each in events)
                into = found.confirmed if fact.true else found.wrong
                into.append(Judged(fact.label, raised_old, raised_new))
    return found


def raised_events(
    video: str, film: AnsweredFilm, labels: Collection[str], confirmed: Sequence[Fact] = ()
) -> Iterator[Raised]:
    """Yield the film's events of these actions that overlap no confirmed fact on their action, as of this video."""
    for event in action_events(film):
        known = any(fact.true and fact.label == event.label and _overlap(event, fact) for fact in confirmed)
        if event.label in labels and not known:
            yield Raised(video, event.label, event.track, event.begin / film.fps, event.end / film.fps)


def _same(one: Fact, other: Fact) -> bool:
    return (one.track, one.label) == (other.track, other.label) and one.first < other.stop and other.first < one.stop


def _shows(event: ActionEvent, fact: Fact) -> bool:
    return (event.track, event.label) == (fact.track, fact.label) and _overlap(event, fact)


def _overlap(event: ActionEvent, fact: Fact) -> bool:
    return event.begin < fact.stop and event.end > fact.first


_CAMERA = re.compile(r"-cam\d+$")
"""The end of the name of a clip that is one camera's of a take. Each camera numbers the people by itself."""


def labelled_people(old: Sequence[judging.Judged], new: Sequence[judging.Judged]) -> list[LabelledPerson]:
    """Return the answers by person and action. Both judge the same labelled instants.

    The people of a take that several cameras recorded are one unit, because the cameras show the same moments.
    """
    instants, right_old, right_new = (
        Counter((one.clip, one.person, one.truth) for one in judged)
        for judged in (old, _right_ones(old), _right_ones(new))
    )
    return [
        LabelledPerson(_unit(clip, person), truth, count, right_old[key], right_new[key])
        for key, count in sorted(instants.items())
        for clip, person, truth in [key]
    ]


def _unit(clip: str, person: int | str) -> str:
    take, cameras = _CAMERA.subn("", clip)
    return take if cameras else f"{clip}/{person}"


def _right_ones(judged: Sequence[judging.Judged]) -> list[judging.Judged]:
    return [one for one in judged if one.answer == one.truth]


EACH = 40
"""Sequences of an action. With 24 actions, the loss of nine of them, and no gain, is significant."""
_SEED = 19


def sequences_of_actions(
    old: Checkpoint,
    new: Checkpoint,
    motions: Path,
    *,
    each: int = EACH,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Sequences]:
    """Return for each action of `old` that can be generated what both checkpoints answer at the last step.

    Motions, people and cameras are held out of training. `motions`: folder of motion clips. `progress` is called with
    (actions done, actions). Sequences that do not show their action are left out. Empty if `old` has no such action.
    """
    words = old.vocabulary.actions
    try:
        generator = Generator(motions, old.vocabulary, _SEED, held_out=True, partial=True)
    except ValueError:  # its actions are all others
        return {}
    window = min(one.window or DEFAULT_WINDOW_STEPS for one in (old, new))
    found: dict[str, Sequences] = {}
    for done, action in enumerate(generator.actions, 1):
        batch = to_tensors(generator.batch(each, window, action=action))
        rows = torch.arange(len(batch.last))
        shows = (batch.action[rows, batch.last] == words.index(action)).numpy()
        right_old, right_new = (_right(one.network, batch, action)[shows] for one in (old, new))
        found[action] = Sequences(
            shown=int(shows.sum()),
            old=int(right_old.sum()),
            new=int(right_new.sum()),
            lost=int((right_old & ~right_new).sum()),
            gained=int((right_new & ~right_old).sum()),
        )
        if progress is not None:
            progress(done, len(generator.actions))
    return found


def _right(network: ActionNetwork, batch: Tensors, action: str) -> NDArray[np.bool_]:
    """Return whether the network answers `action` at the last step of each sequence [n]."""
    logits, _ = last_answers(network, batch)
    names = network.vocabulary.actions
    return np.array([names[answer] == action for answer in logits.argmax(-1).tolist()], bool)
