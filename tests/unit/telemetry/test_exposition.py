"""Tests that pages equal those of prometheus-client byte for byte."""

from __future__ import annotations

from typing import cast

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from telemetry.exposition import write_page


class Fixed(Collector):
    """Families with constant values."""

    def __init__(self, families: list[Metric]) -> None:
        self.families = families

    def collect(self) -> list[Metric]:
        return self.families


@pytest.fixture
def families() -> Fixed:
    """Return families of every type, with values and texts that need escaping or special formatting."""
    registry = CollectorRegistry()
    counter = Counter("lost", 'Has "quotes", a \\ and\ntwo lines.', ["reason", "camera"], registry=registry)
    for value in ("plain", 'a "b" \\ c\nd', "", "Straße"):
        counter.labels(value, "lobby").inc(3)
    gauge = Gauge("level", "Any number.", ["kind"], registry=registry)
    numbers = (0, 1, 999, 1000, -1, 0.1, 1e-9, 123456.0, 1234567.0, 1 << 40, 1.5e300, float("inf"), float("nan"))
    for number in (*numbers, float("-inf")):
        gauge.labels(str(number)).set(number)
    Gauge("bare", "No labels.", registry=registry).set(2)
    Gauge("empty", "No series yet.", ["camera"], registry=registry)
    seconds = Histogram("seconds", "Spread.", ["stage"], buckets=(0.00025, 1.0, 10.0), registry=registry)
    for value in (0.0001, 0.5, 3.0, 99.0):
        seconds.labels("detection").observe(value)
    found = list(registry.collect())
    for family in found:
        family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return Fixed(found)


def test_a_text_page_equals_that_of_prometheus_client(families: Fixed) -> None:
    assert write_page(families.collect(), openmetrics=False) == generate_latest(cast(CollectorRegistry, families))


def test_an_openmetrics_page_equals_that_of_prometheus_client(families: Fixed) -> None:
    assert write_page(families.collect(), openmetrics=True) == generate_openmetrics(families)
