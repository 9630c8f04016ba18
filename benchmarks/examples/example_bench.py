"""Teach a checkpoint an action that it does not know from ten clips, and judge it on people who are not in them.

The checkpoint is trained beforehand without the actions (`data.without_actions`). Learning is that of
`partstream train --from BASE --data DIR`, from the watched clips on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import numpy as np

from benchmarks.examples.example_judging import Answers, Judges, mean_share, only_generated, shares
from benchmarks.examples.example_people import ExamplePeople, captured_clips, video_clips
from stages.heads.network import ActionNetwork
from stages.profiles import load_checkpoint
from stages.third_party import weights
from training.kinetics_tps.video_roles import Role
from training.run.clip_run import for_clips
from training.run.example_run import example_run
from training.run.train import train
from training.settings import run_config
from training.settings.clips_config import MINUTES
from training.sources.examples.example_clips import ExampleClips, with_roles
from training.sources.recorded import open_recorded
from training.sources.roles import unit_of

LEAST_RECALL, LEAST_PRECISION, MOST_LOST = 0.70, 0.80, 0.02
"""The goals: for the new action, and for the mean accuracy of the old ones."""
JudgingPeople = Literal["test", "validation"]
_SEED = 7000


@dataclass(frozen=True, slots=True)
class ExamplePlan:
    """What is measured.

    `base`: a checkpoint that knows none of the `actions`; `data`: the data folder. The clips of the actions in `filmed`
    are pieces of its videos, those of the others its captures. `recorded`: whether training also gets the data folder
    (`--recorded`). `people`: the captured people who judge: `test`, of whom the base has seen nothing, or `validation`,
    to compare methods, with people whose other actions the base was trained on. `draws`: of ten clips.
    """

    base: Path
    data: Path
    actions: tuple[str, ...]
    filmed: tuple[str, ...] = ()
    people: JudgingPeople = "test"
    recorded: bool = False
    draws: int = 1
    clips: int = 10
    people_in_clips: int = 5
    minutes: float = MINUTES
    generated: int = 24
    """Generated sequences of each old action."""


@dataclass(frozen=True, slots=True)
class LearnedAction:
    """Figures of one action and one draw of clips.

    `recall` and `precision` of the new action: the precision if all actions are equally common. `recall_by_kind` of
    source, and its number of people and sequences (or steps of videos) in `judges`. `false_by_action`: the share of an
    old action's answers that are the new one. `before` and `after`: mean accuracy over the old actions on recorded
    people; `generated_…`: on generated sequences.
    """

    action: str
    draw: int
    filmed: bool
    clips: int
    people: tuple[str, ...]
    seconds: float
    steps: int
    recall: float
    precision: float
    before: float
    after: float
    generated_before: float
    generated_after: float
    recall_by_kind: Mapping[str, float]
    judges: Mapping[str, tuple[int, int]]
    false_by_action: Mapping[str, float]

    @property
    def met(self) -> bool:
        """Whether all goals are met."""
        kept = self.after >= self.before - MOST_LOST
        return self.recall >= LEAST_RECALL and self.precision >= LEAST_PRECISION and kept


@dataclass(frozen=True, slots=True)
class ExamplesMeasured:
    """The figures of all actions and draws."""

    plan: ExamplePlan
    learned: tuple[LearnedAction, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plan and figures as plain values."""
        plan = asdict(self.plan) | {"base": self.plan.base.name, "data": self.plan.data.name}
        return {"plan": plan, "learned": [asdict(one) | {"met": one.met} for one in self.learned]}


def measure(plan: ExamplePlan, progress: Callable[[str], None]) -> ExamplesMeasured:
    """Teach every action from every draw of clips, each from the base.

    Raises ValueError for a base that knows an action, or an action that too few people show, and the errors of
    `training.sources.recorded.open_recorded` and `training.run.train.train`.
    """
    bench = ExampleBench(plan, progress)
    return ExamplesMeasured(
        plan, tuple(bench.learn(action, draw) for action in plan.actions for draw in range(plan.draws))
    )


class ExampleBench:
    """The base, the data folder, and the people who judge the base's own actions."""

    def __init__(self, plan: ExamplePlan, progress: Callable[[str], None]) -> None:
        self.plan, self.progress = plan, progress
        self.start = load_checkpoint(str(plan.base))
        self.known = self.start.network.vocabulary.actions
        if both := sorted(set(plan.actions) & set(self.known)):
            raise ValueError(f"{plan.base}: already knows {', '.join(both)}; set data.without_actions when training it")
        self.window = int(self.start.metrics["config"]["data"]["window"])
        config = run_config.load(None, {"data": {"recorded": {"folder": str(plan.data)}}})
        self.recorded = open_recorded(config.data.recorded)
        self.motions = weights.locate("motion")
        progress("drawing sequences of the base's actions")
        held_out = [video for video in self.recorded.videos if video.role == "validation"]
        self.old = Judges(plan.data, [plan.people], held_out, actions=self.known, seed=_SEED, window=self.window)
        self.old.add_generated(self.motions, plan.generated, _SEED)
        self.before = self.old.ask(self.start.network)

    def learn(self, action: str, draw: int) -> LearnedAction:
        """Teach one action from one draw of clips, and return its figures."""
        people, judges = self.clips_and_judges(action, draw)
        began = monotonic()
        network, steps = self.taught(action, draw, people)
        seconds = monotonic() - began
        new = [one.without(people.people) for one in judges.ask(network)]
        after = self.old.ask(network)
        false = {old: mean_share(after, old, action) or 0.0 for old in self.known}
        recall = mean_share(new, action, action) or 0.0
        total = recall + sum(false.values())
        found = LearnedAction(
            action=action,
            draw=draw,
            filmed=action in self.plan.filmed,
            clips=len(people.videos),
            people=tuple(sorted(people.people)),
            seconds=round(seconds, 1),
            steps=steps,
            recall=round(recall, 4),
            precision=round(recall / total, 4) if total else 0.0,
            before=round(self._macro(self.before), 4),
            after=round(self._macro(after), 4),
            generated_before=round(self._macro(only_generated(self.before)), 4),
            generated_after=round(self._macro(only_generated(after)), 4),
            recall_by_kind={kind: round(share, 4) for kind, share in shares(new, action, action).items()},
            judges=_counts(new),
            false_by_action={old: round(share, 4) for old, share in false.items() if share},
        )
        self.progress(f"{action}, draw {draw}: recall {recall:.0%}, precision {found.precision:.0%}, {steps} steps")
        return found

    def clips_and_judges(self, action: str, draw: int) -> tuple[ExamplePeople, Judges]:
        """Return the clips of one draw, and who judges them: captures and 2-D clips, and videos of other people."""
        plan, others = self.plan, []
        if action in plan.filmed:
            videos = [video for video in self.recorded.videos if action in video.actions]
            people = video_clips(videos, action, clips=plan.clips, seed=draw)
            others = [video for video in videos if unit_of(video.video) not in people.people]
        else:
            captures = self.recorded.captures
            people = captured_clips(captures, action, people=plan.people_in_clips, clips=plan.clips, seed=draw)
        # The base has not learned the new action, so 2-D clips of all roles can judge it.
        roles: list[Role] = ["test"] if plan.people == "test" else ["train", "validation"]
        planar: list[Role] = ["train", "validation", "test"] if plan.people == "test" else ["validation"]
        judges = Judges(plan.data, roles, others, actions=(action,), seed=_SEED, window=self.window, planar=planar)
        return people, judges

    def taught(self, action: str, draw: int, people: ExamplePeople) -> tuple[ActionNetwork, int]:
        """Return the network that learned the clips as `partstream train` does, and the number of steps."""
        plan = self.plan
        clips = ExampleClips(
            Path(action), tuple(with_roles(people.videos, hold_out=True)), fingerprint=f"{action} {draw}"
        )
        run = example_run(clips, self.start)
        data: dict[str, Any] = {"examples": {"folder": action}}
        if plan.recorded:
            data["recorded"] = {"folder": str(plan.data)}
        # The benchmark's own judges take the place of the evaluation on generated sequences.
        given = {"start": str(plan.base), "seed": draw, "data": data, "evaluation": {"sequences": 0}}
        config = for_clips(run_config.load(None, given), run)
        with tempfile.TemporaryDirectory(prefix="partstream-bench-") as folder:
            outcome = train(
                config,
                Path(folder, "learned.safetensors"),
                minutes=plan.minutes,
                motions=self.motions,
                clips=run,
                recorded=self.recorded if plan.recorded else None,
            )
        return outcome.checkpoint.network, outcome.step

    def _macro(self, answers: Sequence[Answers]) -> float:
        found = [mean_share(answers, action, action) for action in self.known]
        return float(np.mean([share for share in found if share is not None]))


def _counts(answers: Sequence[Answers]) -> dict[str, tuple[int, int]]:
    """Return the number of people and of answers by kind of source."""
    found: dict[str, tuple[set[str], int]] = {}
    for one in answers:
        people, count = found.get(one.kind, (set[str](), 0))
        found[one.kind] = people | set(one.unit.tolist()), count + len(one.unit)
    return {kind: (len(people), count) for kind, (people, count) in found.items() if count}
