"""The numbers in a schema of settings, with their bounds, and values at and beyond these."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ByteSize

NOT_NUMBERS: tuple[Any, ...] = (math.nan, math.inf, -math.inf, 10**400, 10**5000, "9" * 5000, "1e999", None, [], {})
"""Values that no number of a configuration may have, and some that only a few have."""


class Number(NamedTuple):
    """A number of a schema."""

    path: tuple[str, ...]
    """Names of sections and of the field; `0` for an element of a list, `*` for a value of a mapping."""
    kind: type[int | float]
    bounds: dict[str, float]
    """By `ge`, `gt`, `le` and `lt`."""

    @property
    def is_bounded(self) -> bool:
        """Whether it has a smallest and a largest value."""
        return {"ge", "gt"} & {*self.bounds} != set() and {"le", "lt"} & {*self.bounds} != set()

    @property
    def within(self) -> list[float]:
        """The smallest and the largest value."""
        low, high = self._low, self._high
        if not self.is_bounded:
            return []
        if self.kind is float:
            return [math.nextafter(low, high) if "gt" in self.bounds else low, high]
        return [int(low) + ("gt" in self.bounds), int(high) - ("lt" in self.bounds)]

    @property
    def beyond(self) -> list[float]:
        """Values just and far outside of the bounds."""
        low, high = self._low, self._high
        if not self.is_bounded:
            return []
        if self.kind is float:
            near = [math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]
        else:
            near = [int(low) - 1, int(high) + 1]
        return [*near, low - 1, high + 1, -1e308, 1e308, -(10**30), 10**30]

    @property
    def _low(self) -> float:
        return self.bounds.get("ge", self.bounds.get("gt", -math.inf))

    @property
    def _high(self) -> float:
        return self.bounds.get("le", self.bounds.get("lt", math.inf))


def numbers(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Number]:
    """Yield the numbers of a schema and of its sections, each section once on each way from the top."""
    for name, field in model.model_fields.items():
        yield from _numbers_in(field.annotation, field.metadata, (*path, field.alias or name), ())


def nested(settings: Sequence[tuple[Number, Any]]) -> dict[str, Any]:
    """Return sections with these values."""
    content: dict[str, Any] = {}
    for number, value in settings:
        section = content
        for name in number.path[:-1]:
            section = section.setdefault(name, {})
        section[number.path[-1]] = value
    return content


def _numbers_in(
    annotation: Any, metadata: Sequence[Any], path: tuple[str, ...], above: tuple[type, ...]
) -> Iterator[Number]:
    if get_origin(annotation) is Annotated:
        inner, *own = get_args(annotation)
        yield from _numbers_in(inner, [*metadata, *own], path, above)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in above:  # a condition has conditions
            for name, field in annotation.model_fields.items():
                yield from _numbers_in(
                    field.annotation, field.metadata, (*path, field.alias or name), (*above, annotation)
                )
    elif annotation in (int, float, ByteSize):
        yield Number(path, float if annotation is float else int, _bounds(metadata))
    else:
        origin = get_origin(annotation)
        place = () if origin not in (list, tuple, dict) else ("*",) if origin is dict else ("0",)
        for inner in get_args(annotation):
            if isinstance(inner, type) or get_args(inner):
                yield from _numbers_in(inner, () if place else metadata, (*path, *place), above)


def _bounds(metadata: Sequence[Any]) -> dict[str, float]:
    constraints = [one for entry in metadata for one in (entry, *getattr(entry, "metadata", ()))]
    found: dict[str, float] = {}
    for constraint in constraints:
        for name in ("ge", "gt", "le", "lt"):
            if (value := getattr(constraint, name, None)) is not None:
                found[name] = value
    return found
