"""Histograms: quantiles of what was observed between two readings."""

from __future__ import annotations

import math

from telemetry.tally import Histogram, quantile


def test_a_quantile_is_interpolated_within_the_bucket_of_the_values_since_the_first_reading() -> None:
    histogram = Histogram((1.0, 2.0, 4.0))
    for value in (0.5, 3.0, 9.0):
        histogram.observe(value)
    before = histogram.cumulative()
    assert quantile(before, before, 0.5) == 0.0
    for value in (1.2, 1.4, 1.6, 1.8):
        histogram.observe(value)
    assert math.isclose(quantile(before, histogram.cumulative(), 0.5), 1.5)
    assert math.isclose(quantile(before, histogram.cumulative(), 1.0), 2.0)
    histogram.observe(100.0)
    assert quantile(before, histogram.cumulative(), 1.0) == 4.0, "the highest bound"
