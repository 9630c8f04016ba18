"""The terms on which a checkpoint's weights may be used, derived from what they learned from.

A training run records its sources in the checkpoint's metrics, so that the engine knows no data sets by name.
docs/third-party.md lists the sources; LICENSE-WEIGHTS.md is the licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

LEARNED_FROM = "learned_from"
"""Key of a checkpoint's metrics: {source: {"dataset", "terms", "any_use"}}, with those of the initial weights."""
OPEN = "open"
NONE_STATED = "none-stated"
UNRECORDED = "unrecorded"
"""Terms of sources that record none: annotated videos, and data that is unknown."""
ANY_USE = "any use"
_FIRST_NAMES = 5
"""Sources that are named in one line; further ones are counted."""
LIMITED_USE = "research, evaluation and other non-commercial use"
GENERATED = "generated motion"

_GENERATED_VIDEOS = "9f09a29cf217de60430304896223b40d83fe582a05c3c1c6e90acaca67fc4b63"
"""Fingerprint of the generated videos of the packaged kinetics-tps-tiny, which is older than `LEARNED_FROM`."""


@dataclass(frozen=True, slots=True)
class LearnedSource:
    """A source that weights learned from. `any_use`: whether it permits any use of them.

    `terms`: `open`, `none-stated`, `research`, `nc` or `unrecorded`. The configuration of a run can decide that a
    source without stated terms permits any use.
    """

    name: str
    dataset: str
    terms: str
    any_use: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.terms})"


UNKNOWN = LearnedSource("unrecorded data", "unknown", UNRECORDED, False)
"""What weights of another origin than a training run here may have learned from."""


@dataclass(frozen=True, slots=True)
class WeightTerms:
    """What weights may be used for, and the sources that decide it, besides generated motion."""

    sources: tuple[LearnedSource, ...] = ()

    @property
    def limiting(self) -> tuple[LearnedSource, ...]:
        """The sources that do not permit any use."""
        return tuple(source for source in self.sources if not source.any_use)

    @property
    def use(self) -> str:
        """The permitted use: `ANY_USE`, `LIMITED_USE`, that of videos whose terms their owner knows, or unknown."""
        if not self.limiting:
            return ANY_USE
        if UNKNOWN in self.sources:
            return "unknown: the weights do not record what they learned from"
        if any(source.terms != UNRECORDED for source in self.limiting):
            return LIMITED_USE
        names = [f"{source.name:.100}" for source in self.limiting[:_FIRST_NAMES]]
        if more := len(self.limiting) - len(names):
            names.append(f"{more} more")
        return f"as the terms of {', '.join(names)} permit"

    @property
    def learned_from(self) -> str:
        """All that the weights learned from, with the terms of each source."""
        if UNKNOWN in self.sources:
            return "unknown"
        return ", ".join([GENERATED, *map(str, self.sources)])

    def __str__(self) -> str:
        if UNKNOWN in self.sources:
            return self.use
        if not self.sources:
            return f"{self.use}; learned from {GENERATED} only"
        counted = f"{len(self.sources)} source{'s' if len(self.sources) > 1 else ''}"
        limit = f", {len(self.limiting)} of limited use" if self.limiting else ""
        return f"{self.use}; learned from {GENERATED} and {counted}{limit}"

    def to_metrics(self) -> dict[str, dict[str, Any]]:
        """Return the sources as a checkpoint's metrics hold them under `LEARNED_FROM`."""
        return {
            source.name: {"dataset": source.dataset, "terms": source.terms, "any_use": source.any_use}
            for source in self.sources
        }

    def with_sources(self, *more: LearnedSource) -> WeightTerms:
        """Return the terms of weights that also learned from `more`, by name.

        A source that is in both permits any use only if both say so.
        """
        merged = {source.name: source for source in self.sources}
        for source in more:
            known = merged.get(source.name)
            merged[source.name] = source if known is None or known.any_use else known
        return WeightTerms(tuple(merged[name] for name in sorted(merged)))


def weight_terms(metrics: Mapping[str, Any]) -> WeightTerms:
    """Return the terms of a checkpoint from its metrics. Without those of a training run, they are unknown.

    Raises `ValueError` for a record that cannot be read.
    """
    if not isinstance(metrics, Mapping):
        raise ValueError("metrics: not an object with names")
    if LEARNED_FROM in metrics:
        return WeightTerms().with_sources(*_sources(metrics[LEARNED_FROM], LEARNED_FROM))
    # Metrics of older runs, which recorded only sources other than generated motion.
    found = WeightTerms() if isinstance(metrics.get("config"), Mapping) else WeightTerms((UNKNOWN,))
    if (recorded := metrics.get("recorded")) is not None:
        listed = recorded.get("sources") if isinstance(recorded, Mapping) else None
        found = found.with_sources(*_sources(listed, "recorded.sources"))
    videos = metrics.get("data")
    if isinstance(videos, Mapping) and "folder" in videos and videos.get("fingerprint") != _GENERATED_VIDEOS:
        found = found.with_sources(annotated_videos(str(cast("Mapping[str, Any]", videos)["folder"])))
    return found


def annotated_videos(folder: str) -> LearnedSource:
    """Return a folder of annotated videos as a source: a data set records no terms, its owner knows them."""
    return LearnedSource(f"videos in {folder}", "annotated videos", UNRECORDED, False)


def _sources(content: object, key: str) -> list[LearnedSource]:
    if not isinstance(content, Mapping):
        raise ValueError(f"metrics: {key} is not a list of sources by name")
    found: list[LearnedSource] = []
    for name, facts in cast("Mapping[object, object]", content).items():
        terms = cast("Mapping[str, object]", facts).get("terms") if isinstance(facts, Mapping) else None
        if not isinstance(name, str) or not isinstance(terms, str):
            raise ValueError(f"metrics: {key}: {name!r} has no terms")
        facts = cast("Mapping[str, object]", facts)
        any_use = facts.get("any_use", terms == OPEN)
        if not isinstance(any_use, bool):
            raise ValueError(f"metrics: {key}: {name}: any_use is {any_use!r}, not true or false")
        if any_use and terms not in (OPEN, NONE_STATED):
            raise ValueError(f"metrics: {key}: {name}: any_use is true, which the terms {terms!r} rule out")
        found.append(LearnedSource(name, str(facts.get("dataset", "")), terms, any_use))
    return found
