"""Settings of conditions on a person: trees of tests of the model's actions, part states and measures.

A condition has one test (`action`, `state`, `near`, …) or one combination (`all`, `any`, `not`, `then`), and options.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from stages.settings import Section
from stream.settings.values import Duration

MOST_NODES = 64
"""Conditions of a written action, all levels together."""
MOST_LEVELS = 8

ActionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
MOST_NAMES = 64
"""Names of a list."""


def _one_or_more(value: object, names: ValidatorFunctionWrapHandler) -> object:
    """Validate a name or a list of names, with one error for both."""
    try:
        return names(value)
    except ValidationError:
        raise ValueError(
            f"must be a name of a-z, 0-9, - and _, or a list of 1 to {MOST_NAMES} different such names"
        ) from None


def _different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name is listed twice")
    return names


Names = Annotated[
    ActionName | Annotated[list[ActionName], Field(min_length=1, max_length=MOST_NAMES), AfterValidator(_different)],
    WrapValidator(_one_or_more),
]
"""A name or several, of actions or of zones: their forms are the same."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Score = Annotated[float, Field(ge=0, le=1, strict=True)]
Posture = Literal["upright", "leaning", "level"]

_OF_PART = ("state", "near", "near_object", "holds", "above")
_MEASURES = ("posture", "hips", "speed")
_COMBINATIONS = ("all", "any", "not", "then")
KINDS = ("action", *_OF_PART, *_MEASURES, *_COMBINATIONS)
"""A condition has exactly one of these."""
_OPTIONS = {"part": _OF_PART, "distance": ("near", "near_object"), "by": ("above",), "within": ("then",)}
"""Options, and the kinds that have them."""


class Range(Section):
    """Limits of a measure, both inclusive."""

    at_least: float | None = Field(None, ge=-100, le=100, strict=True, description="The smallest value.")
    at_most: float | None = Field(None, ge=-100, le=100, strict=True, description="The largest value.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.at_least is None and self.at_most is None:
            raise ValueError("set at_least, at_most, or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is above at_most, so no value can match")
        return self


class Condition(Section):
    """A condition on one person (docs/rules.md)."""

    model_config = ConfigDict(
        serialize_by_alias=True, json_schema_extra={"oneOf": [{"required": [kind]} for kind in KINDS]}
    )

    action: Names | None = Field(
        None, description="The person's action, of the model or another written one; of a list, any."
    )
    part: Label | None = Field(None, description="The part for `state`, `near`, `near_object`, `holds` and `above`.")
    state: Label | None = Field(None, description="A state of the part.")
    near: Label | None = Field(None, description="Another part that the part is near.")
    near_object: Label | None = Field(None, description="An object that the part is near, for example `cell phone`.")
    holds: Label | None = Field(None, description="The object in the hand `part`; `any` for any object.")
    above: Label | None = Field(None, description="Another part that the part is above, in the picture.")
    posture: Posture | None = Field(
        None, description="The trunk's angle from upright: `upright` below 30°, `leaning` to 60°, `level` above."
    )
    hips: Range | None = Field(
        None, description="Height of the hips above the feet, in statures: about 0.5 standing and 0.1 lying."
    )
    speed: Range | None = Field(
        None, description="Speed over the last second, statures per second: running is above 1."
    )
    all: list[Condition] | None = Field(None, min_length=1, max_length=16, description="Every condition holds.")
    any: list[Condition] | None = Field(None, min_length=1, max_length=16, description="At least one condition holds.")
    not_: Condition | None = Field(
        None, alias="not", description="The condition does not hold, or it is unknown whether it does."
    )
    then: list[Condition] | None = Field(
        None,
        min_length=2,
        max_length=4,
        description="The conditions held one after another, and the last one holds. Each begins to hold in a later "
        "frame than one in which the one before it held.",
    )
    within: Duration | None = Field(
        None, description="For `then`: the longest time from the end of one condition to the start of the next."
    )
    distance: float = Field(
        0.15, gt=0, le=2, strict=True, description="For `near` and `near_object`: the largest distance, in statures."
    )
    by: float = Field(
        0.0, ge=-1, le=1, strict=True, description="For `above`: the smallest difference in height, in statures."
    )
    score: Score | None = Field(
        None,
        description="The lowest score of actions, states and parts, also of the conditions inside. "
        "Unset: 0.5; 0.2 for the parts of `near`, `near_object`, `above` and `holds`; any for written actions.",
    )
    for_: Duration | None = Field(
        None,
        alias="for",
        description="The shortest time for which the condition has held. Interruptions below 0.5 s, from when it last "
        "held until it holds again, are bridged.",
    )

    @property
    def kind(self) -> str:
        """The one of `KINDS` that the condition has."""
        return next(kind for kind in KINDS if self._has(kind))

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions, any of which matches; empty for other conditions."""
        return as_tuple(self.action)

    def inside(self) -> list[tuple[str, Condition]]:
        """Return the conditions of a combination, with the fields they are in."""
        if self.not_ is not None:
            return [("not", self.not_)]
        for name in ("all", "any", "then"):
            if (conditions := getattr(self, name)) is not None:
                return [(f"{name}.{index}", one) for index, one in enumerate(conditions)]
        return []

    def walk(self, path: str) -> Iterator[tuple[str, Condition]]:
        """Yield this condition and all inside, each with its path below `path`."""
        yield path, self
        for name, one in self.inside():
            yield from one.walk(f"{path}.{name}")

    def _has(self, name: str) -> bool:
        return getattr(self, "not_" if name == "not" else name) is not None

    @model_validator(mode="after")
    def _has_one_kind(self) -> Condition:
        kinds = [kind for kind in KINDS if self._has(kind)]
        if len(kinds) != 1:
            found = f"not {' and '.join(kinds)} together" if kinds else f"one of {', '.join(KINDS)}"
            raise ValueError(f"a condition has exactly one test or combination: {found}")
        kind = kinds[0]
        for option, allowed in _OPTIONS.items():
            if option in self.model_fields_set and kind not in allowed:
                raise ValueError(f"{option} is an option of {', '.join(allowed)}, not of {kind}")
        if kind in _OF_PART and self.part is None:
            raise ValueError(f"{kind} needs a part, for example part: left_hand")
        if kind == "then" and self.within is None:
            raise ValueError("then needs within, for example within: 3s")
        if self.within == 0:
            raise ValueError("within is 0, so that no condition can follow another")
        if kind in ("near", "above") and self.part == getattr(self, kind):
            raise ValueError(f"{kind} compares the part {self.part} with itself")
        if kind in _MEASURES and "score" in self.model_fields_set:
            raise ValueError(f"{kind} has no score")
        return self


def as_tuple(value: str | list[str] | None) -> tuple[str, ...]:
    """Return one name, several, or none as a tuple."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def size_error(condition: Condition) -> str | None:
    """Return why a written action is too large, None if it is not."""
    paths = [path for path, _ in condition.walk("")]
    if len(paths) > MOST_NODES:
        return f"has {len(paths)} conditions; at most {MOST_NODES} are allowed"
    if any(sum(step in _COMBINATIONS for step in path.split(".")) >= MOST_LEVELS for path in paths):
        return f"is nested deeper than {MOST_LEVELS} levels"
    return None
