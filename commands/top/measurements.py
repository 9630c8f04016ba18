"""Measurements: what an engine's metrics page says, and what happened between two looks at it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from telemetry.catalogue import PREFIX

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by upper bound, cumulative as Prometheus has them, and the sum of all values."""

    buckets: Mapping[float, float]
    total: float

    @property
    def count(self) -> float:
        """How many values."""
        return max(self.buckets.values(), default=0.0)

    @property
    def mean(self) -> float | None:
        """None without any value."""
        return self.total / self.count if self.count else None

    def since(self, before: Histogram | None) -> Histogram:
        """What came since an earlier look; all of it if that was of another, longer life."""
        if before is None or before.count > self.count:
            return self
        return Histogram(
            {bound: count - before.buckets.get(bound, 0.0) for bound, count in self.buckets.items()},
            self.total - before.total,
        )

    def quantile(self, share: float) -> float | None:
        """The value below which this share lies, straight within its bucket; the last bound for what is beyond it."""
        wanted = self.count * share
        if not wanted:
            return None
        lower, counted = 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= wanted:
                if math.isinf(bound):
                    return lower
                return lower + (bound - lower) * (wanted - counted) / (count - counted)
            lower, counted = bound, count
        return lower


@dataclass(frozen=True, slots=True)
class Measurements:
    """One page, by names without the prefix and by labels."""

    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict[str, dict[Labels, float]])
    histograms: Mapping[str, Mapping[Labels, Histogram]] = field(default_factory=dict[str, dict[Labels, Histogram]])

    def value(self, name: str, **labels: str) -> float | None:
        """A counter's or gauge's value; None if there is no such series."""
        return self.values.get(name, {}).get(tuple(sorted(labels.items())))

    def by(self, name: str, label: str) -> dict[str, float]:
        """All series of a counter or gauge, by one label."""
        return {dict(labels).get(label, ""): value for labels, value in self.values.get(name, {}).items()}

    def histogram(self, name: str, **labels: str) -> Histogram:
        """A histogram; an empty one if there is no such series."""
        return self.histograms.get(name, {}).get(tuple(sorted(labels.items())), Histogram({}, 0.0))

    def stages(self) -> list[str]:
        """The stages that were timed, in the page's order, which is that of their first batch."""
        return [dict(labels)["stage"] for labels in self.histograms.get("stage_seconds", {})]


def parse(page: str) -> Measurements:
    """Read a page in Prometheus' text format. Raises `ValueError` if it is none."""
    values: dict[str, dict[Labels, float]] = {}
    buckets: dict[str, dict[Labels, dict[float, float]]] = {}
    sums: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(page):
        name = family.name.removeprefix(PREFIX)
        for sample in family.samples:
            of = dict(sample.labels)
            if family.type != "histogram":
                values.setdefault(name, {})[tuple(sorted(of.items()))] = sample.value
            elif sample.name.endswith("_bucket"):
                bound = float(of.pop("le"))
                buckets.setdefault(name, {}).setdefault(tuple(sorted(of.items())), {})[bound] = sample.value
            elif sample.name.endswith("_sum"):
                sums[name, tuple(sorted(of.items()))] = sample.value
    histograms = {
        name: {labels: Histogram(counts, sums.get((name, labels), 0.0)) for labels, counts in series.items()}
        for name, series in buckets.items()
    }
    return Measurements(values, histograms)
