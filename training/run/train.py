"""Training of relevance, part states, part graph and action LSTM on generated motion, videos of people, or both.

`train` writes a checkpoint, `NAME.log.csv`, and `NAME.resume.pt`, from which an interrupted run resumes with the same
results as an uninterrupted one.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.checkpoint import Checkpoint, CheckpointError, save
from stages.heads.network import ActionNetwork
from stages.language.prior_table import PriorTable, prior_table
from stages.packaged_checkpoints import is_packaged
from stages.people.smoothing import SmoothingConfig
from stages.third_party import weights
from stages.weight_terms import LEARNED_FROM, WeightTerms, weight_terms
from training.annotated_videos.clips import Folder
from training.annotated_videos.region_sources import detector_source, feature_source
from training.run.clip_run import ClipRun, learned_vocabulary
from training.run.learning.batches import generates
from training.run.learning.run_state import read_state, write_state
from training.run.learning.training_run import DivergedError, Run, StepReport, TrainingError
from training.run.record import (
    check_profile,
    initial_terms,
    initial_units,
    portable_config,
    provenance,
    resulting_terms,
)
from training.run.train_log import TrainLog
from training.run.validation.held_out import HeldOut, Selection
from training.run.validation.scores import apply_prevalence, check_actions
from training.sequences import Source
from training.settings.run_config import TrainingConfig
from training.sources.examples.example_clips import ExampleClips
from training.sources.recorded import RecordedMotion
from training.sources.terms import DataFolderError
from training.sources.verdicts.verdict_clips import LEARNED_UNITS, SOURCE, VerdictClips

RECENT = 50
"""Steps over which reported losses are averaged."""
Report = Callable[[int, int, dict[str, float]], None]
"""Called as (step, steps, running losses) during training."""
Ending = Literal["done", "minutes", "patience", "interrupted"]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The result of a run. `ending`: all steps done, time over, patience exhausted, or stopped."""

    checkpoint: Checkpoint
    ending: Ending
    step: int


@dataclass(slots=True)
class Progress:
    """Progress of a run, kept when it resumes."""

    seconds: float = 0.0
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    saved_step: int | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain values for the state file."""
        return {"seconds": self.seconds, "losses": list(self.losses)}

    def restore(self, content: Mapping[str, Any], step: int) -> None:
        """Restore the values of the state file of that step."""
        self.seconds, self.saved_step = content["seconds"], step
        self.losses.extend(content["losses"])


def train(
    config: TrainingConfig,
    out: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    motions: Path | None = None,
    priors: PriorTable | None = None,
    videos: Folder | None = None,
    recorded: RecordedMotion | None = None,
    clips: ClipRun[Any] | None = None,
    command: str = "",
    report: Report | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train, calibrate and evaluate on held-out data, and write the checkpoint to `out`.

    `resume` continues from `<out>.resume.pt` if it exists. `minutes` ends the run early; `stop`, called before each
    step, ends it at once and without an evaluation. Both leave the resume file and a checkpoint of the current state.
    `motions`: folder of motion clips, by default the cache's (`weights.locate`). `priors`: language table, by default
    that of the configured model. `videos`: result of `watched_folder` for this configuration, if it has a folder.
    `recorded`: result of `open_recorded`, if it has a data folder of recorded motion. `clips`: what
    `open_example_run` or `open_verdict_run` returns, if it has such clips; the configuration is then that of
    `for_clips`.
    Raises TrainingError (DivergedError if a loss is not finite), CheckpointError, WeightsError, MotionFormatError,
    LanguageModelError, DataFolderError for recorded motion that shows no body, and DatasetError if no video can be read
    any more.
    """
    check_output(out)
    if clips is not None:
        vocabulary, known = clips.vocabulary, clips.start.network
        priors = priors or clips.priors()
    else:
        vocabulary, known = learned_vocabulary(config) if videos is None else videos.vocabulary, None
    try:
        check_actions(config.actions.prevalence, vocabulary.actions, "prevalence")
        check_actions(config.actions.onset, vocabulary.actions, "onset")
    except ValueError as error:
        raise TrainingError(str(error)) from None
    table = priors if priors is not None else prior_table(vocabulary, config.model.language_model)
    learned = () if videos is None else videos.clips["train"]
    rows = table.rows
    sources: dict[str, Source] = {}
    if recorded is not None:
        try:
            # A new action is learned from its clips alone: elsewhere it is unknown.
            named = vocabulary if known is None else known.vocabulary
            sources = recorded.sources(named, config.seed, config.data.recorded.actions)
        except DataFolderError:  # a ValueError too, but not about the setting
            raise
        except ValueError as error:
            raise TrainingError(f"data.recorded.actions: {error}") from None
    if clips is not None:
        sources[clips.name] = clips.source(config.seed)
    # The shares of recorded motion that the data folder lacks are generated.
    folder = motions or (weights.locate("motion") if generates(config, sources) else weights.folder("motion"))
    content = _fingerprint(videos, recorded, None if clips is None else clips.clips)
    run = Run(config, folder, rows, vocabulary, learned, content, sources, known)
    held_out = HeldOut(config, folder, videos, recorded, vocabulary if known is None else known.vocabulary, clips)
    keeper = _Keeper(run, out, command, held_out, table)
    if clips is not None:
        keeper.smoothing = clips.start.smoothing
        keeper.experimental = (*clips.start.experimental, *clips.new)
    keeper.begin(resume)
    keeper.terms = resulting_terms(keeper.initial, videos, recorded, None if clips is None else clips.clips.folder.name)
    check_profile(config.profile, keeper.terms)
    recent: deque[dict[str, float]] = deque(maxlen=RECENT)
    started = saved = time.monotonic()
    log_path, board = out.with_name(out.name + ".log.csv"), out.with_name(out.name + ".tensorboard")
    with TrainLog(log_path, after=run.step, tensorboard=board if config.log.tensorboard else None) as log:
        ending: Ending | None = keeper.ending(stop)
        while ending is None:
            before = time.monotonic()
            step = keeper.advance()
            taken = time.monotonic() - before
            accuracy = keeper.evaluate()
            recent.append(dict(step.losses))
            keeper.progress.seconds += time.monotonic() - before
            if step.step % config.log.every == 0 or accuracy is not None:
                log.note(step, keeper.progress.seconds, config.data.batch / taken, accuracy)
            if report is not None:
                report(step.step, config.steps, {k: float(np.mean([r[k] for r in recent])) for k in recent[0]})
            ending = keeper.ending(stop)
            now = time.monotonic()
            if ending is None and minutes is not None and now - started > 60.0 * minutes:
                ending = "minutes"
            if now - saved > config.log.save_seconds:
                keeper.write_state()
                saved = now
    keeper.write_state()
    return Outcome(keeper.finish(ending, stop), ending, run.step)


def check_output(out: Path) -> None:
    """Raise TrainingError for a path that no checkpoint can be written to, such as a folder, and for a checkpoint that
    would overwrite a packaged one, or lie beside it."""
    try:
        if not out.name or (out.exists() and not out.is_file()):
            raise TrainingError(
                f"{out}: is not a regular file; give --out the path of a file, such as runs/mine.safetensors"
            )
    except OSError as error:
        raise TrainingError(f"{out}: can't be written: {error.strerror or error}") from None
    if is_packaged(out):
        raise TrainingError(f"{out}: is in the folder of the packaged checkpoints; write to another one, such as runs/")


def _fingerprint(*learned: Folder | RecordedMotion | ExampleClips | VerdictClips | None) -> str | None:
    """Return one text for what is learned from besides generated motion, None for nothing."""
    return " ".join(data.fingerprint for data in learned if data is not None) or None


class _Keeper:
    """Keeps a run's files and its best weights."""

    def __init__(self, run: Run, out: Path, command: str, held_out: HeldOut, priors: PriorTable) -> None:
        self.run, self.out, self.command, self.held_out, self.priors = run, out, command, held_out, priors
        self.features = feature_source(run.config)
        self.detector = detector_source(run.config)
        self.state_file = out.with_name(out.name + ".resume.pt")
        self.progress = Progress()
        self.initial = self.terms = WeightTerms()
        self.initial_units: frozenset[str] = frozenset()
        self.smoothing = SmoothingConfig()
        self.experimental: tuple[str, ...] = ()
        self.selection: Selection | None = None
        if run.config.evaluation.every:
            metric = held_out.selection_metric(run.network.vocabulary, run.device)
            self.selection = Selection(metric, run.config.evaluation.patience)

    def begin(self, resume: bool) -> None:
        """Begin a new run, or resume from the state file if there is one."""
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self.out.parent}: can't be created: {error.strerror}") from None
        if not (resume and self.state_file.exists()):
            self.initial = initial_terms(self.run.config)
            self.initial_units = initial_units(self.run.config)
            self.run.normalise()
            if self.run.config.start is not None:
                self.run.start_from(self.run.config.start)
            return
        extra = read_state(self.run, self.state_file)
        self.progress.restore(extra["progress"], self.run.step)
        self.initial_units = frozenset(extra["initial_units"])
        self.initial = weight_terms({LEARNED_FROM: extra["initial_terms"]})
        if self.selection is not None:
            self.selection.restore(extra["selection"])

    def advance(self) -> StepReport:
        """Take a step; a DivergedError also names the saved files."""
        try:
            step = self.run.advance()
        except DivergedError as error:
            kept = self.progress.saved_step
            saved = (
                "no state was saved yet" if kept is None else f"the state of step {kept} is saved in {self.state_file}"
            )
            if self.selection is not None and self.selection.step:
                saved += f", and the best checkpoint, of step {self.selection.step}, in {self.out}"
            raise DivergedError(f"{error}; {saved}") from None
        self.progress.losses.append(step.losses["total"])
        return step

    def evaluate(self) -> float | None:
        """Return the selection metric if an evaluation is due, and write the checkpoint if it is the best so far."""
        every, step = self.run.config.evaluation.every, self.run.step
        if self.selection is None or (step % every and step != self.run.config.steps):
            return None
        accuracy = self.selection.evaluate(self.run.evaluated, step)
        if self.selection.step == step and step != self.run.config.steps:
            self._write(self.run.evaluated, {})
        return accuracy

    def ending(self, stop: Callable[[], bool]) -> Ending | None:
        """Return why the run has ended, or None."""
        if self.run.step >= self.run.config.steps:
            return "done"
        if self.selection is not None and self.selection.exhausted:
            return "patience"
        return "interrupted" if stop() else None

    def write_state(self) -> None:
        """Write the state file."""
        selection = None if self.selection is None else self.selection.state()
        kept = {
            "progress": self.progress.plain(),
            "selection": selection,
            "initial_terms": self.initial.to_metrics(),
            "initial_units": sorted(self.initial_units),
        }
        write_state(self.run, self.state_file, kept)
        self.progress.saved_step = self.run.step

    def finish(self, ending: Ending, stop: Callable[[], bool]) -> Checkpoint:
        """Write a checkpoint of the best weights, calibrated and evaluated unless the run was stopped."""
        # A copy: a resumed run continues from the training's weights and temperature, not from the best ones.
        network = copy.deepcopy(self.run.evaluated).requires_grad_(False)
        if self.selection is not None:
            self.selection.load_best(network)
        figures: dict[str, Any] = {"ending": ending}
        if ending != "interrupted" and not stop():
            self.held_out.calibrate(network)
        apply_prevalence(network, self.run.config.actions.prevalence)
        if ending != "interrupted" and not stop():
            figures |= self.held_out.figures(network)
        return self._write(network, figures)

    def _write(self, network: ActionNetwork, figures: dict[str, Any]) -> Checkpoint:
        run = self.run
        chosen: dict[str, Any] = {}
        if self.selection is not None and self.selection.accuracy is not None:
            chosen = {"selected_step": self.selection.step, "selection_accuracy": round(self.selection.accuracy, 4)}
        metrics: dict[str, Any] = {
            "steps": run.step,
            "sequences": run.step * run.config.data.batch,
            "seconds": round(self.progress.seconds, 1),
            "seed": run.config.seed,
            "config": portable_config(run.config),
            "final_loss": round(float(np.mean(self.progress.losses)), 4) if self.progress.losses else None,
            # A run on verdicts replaces them by its summary, which has them as well.
            **({SOURCE: {LEARNED_UNITS: sorted(self.initial_units)}} if self.initial_units else {}),
            **self.held_out.data(),
            LEARNED_FROM: self.terms.to_metrics(),
            **provenance(run.device),
            **chosen,
            **figures,
        }
        checkpoint = Checkpoint(
            network=network.eval(),
            profile=run.config.profile,
            trained=run.step > 0,
            language_model=self.priors.language_model,
            language_model_sha256=self.priors.language_model_sha256,
            features=None if self.features is None else self.features.make(),
            detector=None if self.detector is None else self.detector.stored(),
            smoothing=replace(self.smoothing, onset=run.config.actions.onset),
            experimental=self.experimental,
            metrics=metrics,
            training_command=self.command,
        )
        try:
            save(checkpoint, self.out)
        except CheckpointError as error:
            raise TrainingError(str(error)) from None
        return checkpoint
