"""Measurements: an engine's metrics page, and the difference between two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from telemetry.catalogue import PREFIX

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative counts by upper bound, as in Prometheus, and the sum of all values."""

    buckets: Mapping[float, float]
    total: float

    @property
    def count(self) -> float:
        """Number of values."""
        return max(self.buckets.values(), default=0.0)

    @property
    def mean(self) -> float | None:
        """Mean; None if there are no values."""
        return self.total / self.count if self.count else None

    def since(self, before: Histogram | None) -> Histogram:
        """Return what was added since an earlier histogram; all of it if the engine was restarted in between."""
        if before is None or before.count > self.count:
            return self
        return Histogram(
            {bound: count - before.buckets.get(bound, 0.0) for bound, count in self.buckets.items()},
            self.total - before.total,
        )

    def quantile(self, share: float) -> float | None:
        """Return the value below which this share lies, interpolated within its bucket, and at most the last bound."""
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
    """One metrics page, by names without the prefix and by labels."""

    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict[str, dict[Labels, float]])
    histograms: Mapping[str, Mapping[Labels, Histogram]] = field(default_factory=dict[str, dict[Labels, Histogram]])

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a counter or gauge; None if there is no such series."""
        return self.values.get(name, {}).get(tuple(sorted(labels.items())))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return all series of a counter or gauge, by one label."""
        return {dict(labels).get(label, ""): value for labels, value in self.values.get(name, {}).items()}

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Return a histogram; an empty one if there is no such series."""
        return self.histograms.get(name, {}).get(tuple(sorted(labels.items())), Histogram({}, 0.0))

    def stages(self) -> list[str]:
        """Return the stages, in the page's order, which is that of their first batch."""
        return [dict(labels).get("stage", "") for labels in self.histograms.get("stage_seconds", {})]


def parse(page: str) -> Measurements:
    """Parse a page in Prometheus' text format. Raises `ValueError` for anything else."""
    values: dict[str, dict[Labels, float]] = {}
    buckets: dict[str, dict[Labels, dict[float, float]]] = {}
    sums: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(page):
        name = family.name.removeprefix(PREFIX)
        for sample in family.samples:
            labels = dict(sample.labels)
            if family.type == "histogram" and not math.isfinite(sample.value):
                raise ValueError(f"{sample.name} is not a finite number")
            if family.type != "histogram":
                values.setdefault(name, {})[tuple(sorted(labels.items()))] = sample.value
            elif sample.name.endswith("_bucket"):
                bound = float(labels.pop("le", "no bound"))
                buckets.setdefault(name, {}).setdefault(tuple(sorted(labels.items())), {})[bound] = sample.value
            elif sample.name.endswith("_sum"):
                sums[name, tuple(sorted(labels.items()))] = sample.value
    histograms = {
        name: {labels: Histogram(counts, sums.get((name, labels), 0.0)) for labels, counts in series.items()}
        for name, series in buckets.items()
    }
    return Measurements(values, histograms)
