"""A trial of rules: what it looks at, and what it finds. Rules that the results can't answer are left out by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stream.backtest.coverage import Coverage, coverage_of, utc_text
from stream.backtest.places import with_places
from stream.backtest.raised import Raised, raised_of
from stream.backtest.replay import replay
from stream.backtest.results_files import ResultsFiles
from stream.backtest.segments import Segment
from stream.backtest.selection import Field, MissingFieldError, Recorded, Selection, all_fields, fields_of, only_used
from stream.results import Alert
from stream.rules.compiled import CompiledRules
from stream.rules_file import check_names, stored_names
from stream.settings.config_error import ConfigError
from stream.settings.rules import RulesConfig

if TYPE_CHECKING:
    from stream.config import Config


_MOST_LISTED = 10
"""Cameras that a message lists."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where results are: archive folders and results files. `analysed`: files of videos that were analysed for this."""

    archives: list[Path]
    files: list[Path]
    analysed: list[Path] = field(default_factory=list[Path])


@dataclass(frozen=True, slots=True)
class Found:
    """What a rules file found: messages in order, camera by camera, and the alerts that they are about."""

    messages: list[Alert]
    raised: list[Raised]


@dataclass(slots=True)
class Trial:
    """The outcome. `files`: what each rules file found, in the order given."""

    files: list[Found]
    rules: list[RulesConfig]
    """The rules that were tried."""
    coverage: list[Coverage]
    segments: Mapping[str, Sequence[Segment]]
    recorded: Recorded
    refused: dict[str, str]
    """Rules that the results can't answer, and why."""
    notes: list[str]

    @property
    def end_us(self) -> int:
        """Capture time of the last result."""
        return max(one.last_us for one in self.coverage)

    def hours_of(self, cameras: Sequence[str] | None) -> float:
        """Return the hours of results of these cameras, all if None."""
        return sum(one.hours for one in self.coverage if cameras is None or one.camera in cameras)


def run_trial(
    rules: Sequence[tuple[Path, RulesConfig]],
    sources: Sources,
    selection: Selection,
    config: Config | None = None,
    profile: str | None = None,
) -> Trial:
    """Try rules files on the same results.

    `config`: take zones and lines of its cameras. `profile`: check names against this checkpoint; by default, against
    the one that the results name, if it is packaged.

    Raises `ConfigError`: nothing is selected, a name is unknown, or no rule can be tried.
    """
    tried = [one for _, one in rules]
    refused: dict[str, str] = {}
    while True:
        try:
            trial = _try(rules, tried, sources, selection, config, profile)
        except MissingFieldError as error:
            blocked = {name for one in tried for name, fields in fields_of(one).items() if error.field in fields}
            refused |= {name: str(error) for name in sorted(blocked)}
            tried = [_without(one, blocked) for one in tried]
            if not blocked or not any(one.rules for one in tried):
                names = ", ".join(f"rules.{name}" for name in refused)
                raise ConfigError(f"{rules[0][0]}: {names} can't be tried: {error}") from None
        else:
            trial.refused = refused
            return trial


def _try(
    files: Sequence[tuple[Path, RulesConfig]],
    rules: list[RulesConfig],
    sources: Sources,
    selection: Selection,
    config: Config | None,
    profile: str | None,
) -> Trial:
    fields = all_fields(*rules)
    placed = {} if config is None else {camera.id: camera for camera in config.cameras}
    if placed:
        fields.add("foot")
        fields -= {"zones", "crossed"}
    with ExitStack() as stack:
        recorded = _read(sources, selection, fields, stack)
        if not recorded.segments:
            raise ConfigError(_no_results(sources, stack))
        notes = [] if config is None else _check_cameras(recorded, sources, list(placed))
        notes += _check_profile(files, recorded, profile)
        found: list[Found] = []
        for one in rules:
            compiled = CompiledRules(only_used(one))
            messages: list[Alert] = []
            for camera, segments in recorded.segments.items():
                names: list[str] | None = None
                if camera in placed:
                    zones, lines = placed[camera].zones, placed[camera].lines
                    segments = [with_places(segment, zones, lines) for segment in segments]
                    names = [name for name, zone in zones.items() if not zone.ignore]
                messages += replay(segments, compiled, names)
            raised = sorted(raised_of_cameras(messages), key=lambda one: (one.began.began_us, one.began.camera))
            found.append(Found(messages, raised))
        coverage = [coverage_of(segments) for segments in recorded.segments.values()]
        return Trial(found, rules, coverage, recorded.segments, recorded, {}, notes)


def raised_of_cameras(messages: Sequence[Alert]) -> list[Raised]:
    """Return the alerts of the messages of several cameras."""
    cameras = dict.fromkeys(message.camera for message in messages)
    return [one for camera in cameras for one in raised_of(m for m in messages if m.camera == camera)]


def _read(sources: Sources, selection: Selection, fields: set[Field], stack: ExitStack) -> Recorded:
    """Read all results. Raises `ConfigError` if an archive and a file contain the same ones."""
    recorded = Recorded({})
    if files := [*sources.files, *sources.analysed]:
        opened = ResultsFiles(files, selection)
        stack.callback(opened.close)
        recorded = opened.recorded()
    if sources.archives:
        from stream.backtest.archive_results import read_archives

        archived = read_archives(sources.archives, selection, fields)
        if same := sorted(set(archived.segments) & set(recorded.segments)):
            raise ConfigError(f"camera {same[0]} is in an archive and in a results file: try them in separate runs")
        recorded.segments |= archived.segments
        recorded.profiles |= archived.profiles
        recorded.duplicates += archived.duplicates
        recorded.late += archived.late
        recorded.incomplete += archived.incomplete
    recorded.segments = dict(sorted(recorded.segments.items()))
    return recorded


def _no_results(sources: Sources, stack: ExitStack) -> str:
    """Return why nothing is selected: what the sources contain."""
    everything = _read(sources, Selection(), set(), stack).segments
    if not everything:
        return "the sources contain no results"
    found = [coverage_of(segments) for segments in everything.values()]
    listed = [f"{one.camera} from {utc_text(one.first_us)} to {utc_text(one.last_us)}" for one in found[:_MOST_LISTED]]
    more = f" and {len(found) - _MOST_LISTED} more cameras" if len(found) > _MOST_LISTED else ""
    return f"the sources contain no results of the chosen cameras and times, but of {', '.join(listed)}{more}"


def _check_cameras(recorded: Recorded, sources: Sources, configured: list[str]) -> list[str]:
    """Return a note about cameras that have no zones. Raises `ConfigError` if recorded cameras are not configured."""
    others = [camera for camera in recorded.segments if camera not in configured]
    if others and not sources.analysed:
        raise ConfigError(
            f"--config has no camera {others[0]}, of which there are results: add it, or choose others with --camera; "
            f"it has {', '.join(configured) or 'none'}"
        )
    return [f"no zones and lines are configured for {', '.join(others)}"] if others else []


def _check_profile(files: Sequence[tuple[Path, RulesConfig]], recorded: Recorded, profile: str | None) -> list[str]:
    """Check names against the checkpoint, and return a note if there is none to check them against."""
    from stages.packaged_checkpoints import PACKAGED

    profiles = [profile] if profile is not None else sorted(recorded.profiles & set(PACKAGED))
    for name in profiles if profile != "free" else ():
        known = stored_names(name)
        for path, rules in files:
            check_names(rules, known, str(path))
    unknown = sorted(recorded.profiles - set(PACKAGED)) if profile is None else []
    return [
        f"the names in the rules were not checked, because the profile {name} is not packaged: give its checkpoint "
        "with --profile"
        for name in unknown
    ]


def _without(rules: RulesConfig, blocked: set[str]) -> RulesConfig:
    kept = {name: one for name, one in rules.rules.items() if name not in blocked}
    return rules.model_copy(update={"rules": kept})
