"""Growth of a process over the second half of a run: slopes with 95 % intervals, over time and over units of load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.engine.memory.engine_process import Sample
from benchmarks.slopes import slope

MIB = 1 << 20

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """Figures of a run. `units` counts what `unit` names. `before`: halfway through the run; `after`: at its end."""

    what: str
    unit: str
    units: int
    seconds: float
    samples: int
    """In the second half."""
    resident_mib_before: float
    resident_mib_after: float
    resident_mib_most: float
    mib_per_hour: float
    mib_per_hour_interval: Interval
    bytes_per_unit: float
    bytes_per_unit_interval: Interval
    threads: tuple[int, int]
    """Halfway through the run and at its end."""
    descriptors: tuple[int, int]
    series: tuple[int, int] | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def growth_of(what: str, unit: str, samples: Sequence[Sample]) -> Growth:
    """Fit the second half of the samples, by units of load done. Raises ValueError for too few of them."""
    units = samples[-1].done
    half = [sample for sample in samples if sample.done >= units / 2]
    resident = [sample.resident / MIB for sample in half]
    per_hour = slope([sample.seconds / 3600 for sample in half], resident)
    per_unit = slope([sample.done for sample in half], [sample.resident for sample in half])
    if per_hour is None or per_unit is None:
        raise ValueError(f"{what}: {len(half)} samples are too few for a slope; run it longer")
    series = [sample.series for sample in half if sample.series is not None]
    return Growth(
        what=what,
        unit=unit,
        units=units,
        seconds=round(samples[-1].seconds, 1),
        samples=len(half),
        resident_mib_before=round(resident[0], 2),
        resident_mib_after=round(resident[-1], 2),
        resident_mib_most=round(max(sample.resident for sample in samples) / MIB, 2),
        mib_per_hour=round(per_hour.estimate, 3),
        mib_per_hour_interval=(round(per_hour.low, 3), round(per_hour.high, 3)),
        bytes_per_unit=round(per_unit.estimate, 2),
        bytes_per_unit_interval=(round(per_unit.low, 2), round(per_unit.high, 2)),
        threads=(half[0].threads, half[-1].threads),
        descriptors=(half[0].descriptors, half[-1].descriptors),
        series=(series[0], series[-1]) if series else None,
    )
