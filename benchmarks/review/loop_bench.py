"""The loop of review, training and gate, on films that taught no shipped checkpoint:

    python -m benchmarks.review.loop_bench --data ../shared/data/real

Half of the films are reviewed: the labels stand in for the person who reviews. A checkpoint is trained on the verdicts
and compared with the one that raised the events, on the other half. Then the gate judges it, and two worse ones that
are planted. `--choose` compares settings of the training instead, on the reviewed films that training holds out; the
other half is not looked at.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import yaml

from benchmarks import machine
from benchmarks.commands.options import RESULTS, consoles, with_header
from benchmarks.report import write_json
from benchmarks.review.loop_figures import ALARMS, Comparison, FilmCounts, compare, count, power
from benchmarks.review.loop_report import print_loop
from benchmarks.review.loop_trials import Trained, gate, train
from benchmarks.review.stand_in import choose, judge
from benchmarks.review.verdict_folders import Reviewed, camera_id, camera_of, shuffled, write_folder
from benchmarks.run_once import RunFailedError
from stages.checkpoint import Checkpoint, save
from stages.packaged_checkpoints import PACKAGED, summary
from stages.profiles import load_checkpoint
from stages.third_party.weights import WeightsError
from stages.verdicts.verdict_file import is_verdicts_folder
from training.footage.segments.answered_film import AnsweredFilm
from training.footage.segments.falls import FALL
from training.run.validation.prevalence import apply_prevalence
from training.scoring.film_answers import answered_film, watch_settings
from training.settings.clips_config import MINUTES
from training.sources.roles import video_roles
from training.sources.segmented_videos import SegmentedVideo, read_segmented_videos
from training.sources.terms import DataFolderError
from training.sources.watched_videos import WatchedVideo, watch_segmented

SOURCES = ("le2i", "urfd")
SEED, MOST = 19, 30
"""Of the halves; most verdicts on the events of each action."""
REMOVED = (0.3, 0.5, 0.7, 0.9)
"""Shares of false alarms removed for which the power is computed."""
FORGOTTEN = "walk"


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """What is measured. `start`: the checkpoint that raises the events and from which training starts.

    `settings`: of the training, {} for the defaults; `minutes`: its longest time. `watch_again`: whether the time of
    the training includes that of watching its clips. `work`: folder for verdicts and checkpoints.
    """

    data: Path
    work: Path
    start: str = "edge"
    seed: int = SEED
    most: int = MOST
    settings: Mapping[str, Any] | None = None
    minutes: float = MINUTES
    watch_again: bool = False
    workers: int = 2


class LoopBench:
    """The films in halves, and the events of the starting checkpoint in the reviewed half."""

    def __init__(self, plan: LoopPlan, progress: Callable[[str], None]) -> None:
        """Raises `DataFolderError`, `WeightsError`, RunFailedError for films that a checkpoint may have learned from,
        and OSError."""
        self.plan, self.progress = plan, progress
        videos = unlearned(plan.data)
        self.old = load_checkpoint(plan.start)
        self.weights = summary(plan.start).sha256
        progress(f"watching {len(videos)} films, where they are not cached")
        settings, roles = watch_settings(self.old), video_roles(videos)
        watched, skipped = watch_segmented(videos, roles, workers=plan.workers, settings=settings)
        for path, message in skipped.items():
            progress(f"{path}: skipped: {message}")
        self.reviewed, self.unseen = halves(watched, plan.seed)
        self._films: dict[str, AnsweredFilm] = {}

    def review(self, watched: Sequence[WatchedVideo]) -> list[Reviewed]:
        """Return films with the verdicts of the stand-in, at most `plan.most` on each action."""
        films = [self.answered(one) for one in watched]
        chosen = choose((one for film in films for one in judge(film)), self.plan.most, self.plan.seed)
        return [
            Reviewed(one, film, tuple(judged for judged in chosen if judged.film == film.name))
            for one, film in zip(watched, films, strict=True)
        ]

    def write(self, reviewed: Sequence[Reviewed], name: str) -> Path:
        """Write the verdicts into a folder, unless an earlier run did, and return it."""
        folder = self.plan.work / name
        if is_verdicts_folder(folder):
            return folder
        self.progress(f"{name}: {write_folder(folder, reviewed, self.old, self.weights)} verdicts")
        return folder

    def trained(self, verdicts: Path, name: str, settings: Mapping[str, Any], *, watch_again: bool = False) -> Trained:
        """Train on a folder of verdicts."""
        out = self.plan.work / f"{name}.safetensors"
        plan = self.plan
        done = train(verdicts, out, settings, start=plan.start, minutes=plan.minutes, watch_again=watch_again)
        self.progress(f"{name}: trained in {done.seconds:.0f} s")
        return done

    def measure(self) -> dict[str, Any]:
        """Review, train, compare on the unseen half, and let the gate judge. Returns the figures as plain values."""
        settings = self.plan.settings or {}
        reviewed = self.review(self.reviewed)
        folder = self.write(reviewed, "verdicts")
        done = self.trained(folder, "trained", settings, watch_again=self.plan.watch_again)
        new = load_checkpoint(str(done.checkpoint))
        same = {"reviewed": self.compared(new, self.reviewed), "unseen": self.compared(new, self.unseen)}
        gates = {"trained": gate(self.plan.start, done.checkpoint, folder)}
        for name, path in (
            ("shuffled", self.shuffled(reviewed, settings)),
            ("forgetful", self.forgetful(done.checkpoint)),
        ):
            gates[name] = gate(self.plan.start, path, folder)
            self.progress(f"gate: {name}: {'refused' if gates[name].code else 'passed'}")
            same[name] = self.compared(load_checkpoint(str(path)), self.unseen)
        return {
            **self.described(reviewed),
            "settings": settings,
            "training": {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds, "steps": new.metrics["steps"]},
            "compared": {name: one.as_json() for name, one in same.items()},
            "gates": {name: {"code": one.code, "checks": one.checks} for name, one in gates.items()},
        }

    def choose_settings(self, candidates: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the figures of each candidate, on the reviewed films that its training held out."""
        reviewed, found = self.review(self.reviewed), dict[str, Any]()
        folder = self.write(reviewed, "verdicts")
        for name, settings in candidates.items():
            new = load_checkpoint(str(self.trained(folder, name, settings).checkpoint))
            cameras = {camera_of(clip) for clip in new.metrics["verdicts"]["held_out_clips"]}
            compared = self.compared(new, [one for one in self.reviewed if camera_id(one) in cameras])
            found[name] = {"settings": settings, **compared.as_json()}
            self.progress(f"{name}: false alarms {compared.every.false}, recall {compared.mean_change:+.1%}")
        return {**self.described(reviewed), "candidates": found}

    def counted(self, new: Checkpoint, watched: Sequence[WatchedVideo]) -> list[tuple[FilmCounts, FilmCounts]]:
        """Return each film's counts with the old and with the new checkpoint."""
        return [(count(self.answered(one)), count(named(new, one))) for one in watched]

    def answered(self, watched: WatchedVideo) -> AnsweredFilm:
        """Return a film with the starting checkpoint's answers."""
        name = camera_id(watched)
        if name not in self._films:
            self._films[name] = named(self.old, watched)
        return self._films[name]

    def compared(self, new: Checkpoint, watched: Sequence[WatchedVideo]) -> Comparison:
        """Return the new checkpoint compared with the old one on these films."""
        counts = self.counted(new, watched)
        return compare([old for old, _ in counts], [each for _, each in counts])

    def shuffled(self, reviewed: Sequence[Reviewed], settings: Mapping[str, Any]) -> Path:
        """Return a checkpoint that learned the verdicts with their truths exchanged at random.

        It holds out the same clips as the other one, or the gate would refuse it without looking at its answers.
        """
        folder = self.write(shuffled(reviewed, self.plan.seed), "shuffled")
        return self.trained(folder, "planted", settings).checkpoint

    def forgetful(self, trained: Path) -> Path:
        """Return the trained checkpoint, made never to answer `FORGOTTEN`."""
        worse, out = load_checkpoint(str(trained)), self.plan.work / "forgetful.safetensors"
        apply_prevalence(worse.network, {FORGOTTEN: 1e-9})
        save(worse, out)
        return out

    def described(self, reviewed: Sequence[Reviewed]) -> dict[str, Any]:
        """Return how many films and verdicts there are, and the power of the comparison."""
        given = Counter((judged.event.label, judged.said) for one in reviewed for judged in one.verdicts)
        counts = [count(one.film).false_alarms for one in reviewed]
        before = {
            "every": sum(sum(one.values()) for one in counts),
            "alarms": sum(one.get(action, 0) for one in counts for action in ALARMS),
        }
        return {
            "plan": {**asdict(self.plan), "data": self.plan.data.name, "work": None},
            "reviewer": "the films' labels stand in for the person who reviews",
            "films": {"reviewed": len(self.reviewed), "unseen": len(self.unseen)},
            "verdicts": {
                action: {said: given[action, said] for said in ("right", "wrong", "really")}
                for action in sorted({action for action, _ in given})
            },
            "power": {
                name: {
                    "expected": round(expected := number * len(self.unseen) / len(self.reviewed), 1),
                    "if_removed": {str(share): round(power(expected, share), 3) for share in REMOVED},
                }
                for name, number in before.items()
            },
        }


def unlearned(data: Path) -> list[SegmentedVideo]:
    """Return the films that no shipped checkpoint learned from, nor was selected by.

    Raises `DataFolderError` for missing or wrong data, and RunFailedError if a shipped checkpoint names a source of
    which all is for tests, or there is no film.
    """
    learned = {source.name for profile in PACKAGED for source in summary(profile).terms.sources}
    found: list[SegmentedVideo] = []
    for source in SOURCES:
        videos = read_segmented_videos(data, [source])
        tests = [video for video, role in zip(videos, video_roles(videos), strict=True) if role == "test"]
        if not tests:
            raise RunFailedError(
                f"{data}: has no film of {source} for tests. This benchmark needs the data folder with the labelled "
                "videos of Le2i and URFD (docs/data-folder.md); give it as --data"
            )
        if len(tests) == len(videos) and source in learned:
            raise RunFailedError(f"a shipped checkpoint learned from {source}; its films cannot measure the loop")
        found += tests
    return found


def halves(watched: Sequence[WatchedVideo], seed: int) -> tuple[list[WatchedVideo], list[WatchedVideo]]:
    """Return the films to review and the others: half of each source's films with and without a fall, at random."""
    groups: dict[tuple[str, bool], list[WatchedVideo]] = {}
    for one in watched:
        falls = any(segment.label == FALL for segment in one.video.segments)
        groups.setdefault((one.video.source, falls), []).append(one)
    rng = random.Random(seed)
    reviewed: list[WatchedVideo] = []
    unseen: list[WatchedVideo] = []
    for key in sorted(groups):
        films = sorted(groups[key], key=lambda one: one.video.name)
        rng.shuffle(films)
        middle = (len(films) + 1) // 2
        reviewed += films[:middle]
        unseen += films[middle:]
    return reviewed, unseen


def named(checkpoint: Checkpoint, watched: WatchedVideo) -> AnsweredFilm:
    """Return a film with a checkpoint's answers, named after its source and file."""
    return replace(answered_film(checkpoint, watched), name=f"{watched.video.source}/{watched.video.name}")


def candidates(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the candidates of `--choose` by name: a YAML mapping of training configurations."""
    for name, settings in yaml.safe_load(path.read_text()).items():
        yield str(name), settings or {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write them. Returns 0 if it could be measured, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review.loop_bench", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data folder with the labelled videos")
    parser.add_argument("--seed", type=int, default=SEED, help="of the halves and of the verdicts' choice")
    parser.add_argument("--config", type=Path, help="training configuration, YAML; by default the defaults")
    parser.add_argument("--choose", type=Path, metavar="FILE", help="YAML of named configurations to compare instead")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="longest time of a training")
    parser.add_argument("--watch-again", action="store_true", help="include watching the clips in the training's time")
    parser.add_argument("--work", type=Path, help="keep verdicts and checkpoints here, and use those of an earlier run")
    parser.add_argument("--json", type=Path, help=f"output file, by default in {RESULTS}")
    chosen = parser.parse_args(arguments)
    console, host = consoles()[0], machine.describe()
    torch.set_num_threads(1)
    kind = "review_loop_settings" if chosen.choose else "review_loop"
    file = chosen.json or RESULTS / f"{kind}.json"
    with TemporaryDirectory(prefix="partstream-bench-") as temporary:
        work = chosen.work or Path(temporary)
        settings = None if chosen.config is None else yaml.safe_load(chosen.config.read_text())
        try:
            given = {"seed": chosen.seed, "minutes": chosen.minutes, "watch_again": chosen.watch_again}
            bench = LoopBench(LoopPlan(chosen.data, work, settings=settings, **given), console.print)
            measured = bench.choose_settings(dict(candidates(chosen.choose))) if chosen.choose else bench.measure()
        except (RunFailedError, DataFolderError, WeightsError, OSError) as error:
            console.print(f"loop_bench: {error}", markup=False)
            return 1
    write_json(file, with_header(kind, host, measured))
    print_loop(measured, console)
    console.print(f"written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
