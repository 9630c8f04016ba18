"""Settings of rules: written actions, and rules that raise alerts (docs/rules.md)."""

from __future__ import annotations

from collections.abc import Sized
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from stages.settings import Section
from stream.settings.conditions import ActionName, Condition, Names, Score, as_tuple, size_error
from stream.settings.values import CameraId, Duration, HoursConfig, TimeZoneName
from stream.settings.zones import ZoneName

MOST_RULES = 256
MOST_ACTIONS = 128
"""Written actions of a file."""

LONGEST_CYCLE = 6
"""Written actions of a cycle that an error names."""

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Severity = Literal["info", "warning", "critical"]
Side = Literal["left", "right"]


class PeopleRange(Section):
    """Limits of a number of people, both inclusive."""

    at_least: int | None = Field(None, ge=1, le=1000, strict=True, description="The smallest number.")
    at_most: int | None = Field(
        None, ge=0, le=1000, strict=True, description="The largest number; 0 for an empty place."
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> PeopleRange:
        if self.at_least is None and self.at_most is None:
            raise ValueError("set at_least, at_most, or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is above at_most, so no number can match")
        return self


class RuleConfig(Section):
    """When to raise an alert. All conditions must hold together, for one person, or for the number of `people`."""

    action: Names | None = Field(
        None, description="The person's action, of the model or a written one; of a list, any."
    )
    score: Score | None = Field(
        None, description="The lowest score of the action. Unset: 0.5 for the model's; written ones have their own."
    )
    zone: Names | None = Field(
        None,
        description="The person is in this zone; of a list, each zone has its own alerts. With `leaves` or `crosses`: "
        "the person is in one of these zones at that moment.",
    )
    dwell: Duration | None = Field(None, description="The shortest time for which the person has been in the zone.")
    enters: ZoneName | None = Field(
        None, description="The person enters this zone. A person who is first seen in it does not."
    )
    leaves: ZoneName | None = Field(
        None, description="The person leaves this zone. A person who is no longer seen does not."
    )
    crosses: ZoneName | None = Field(None, description="The person crosses this line.")
    to: Side | None = Field(
        None,
        description="For `crosses`: to this side, as seen when looking from the line's first point to its second. "
        "Unset: both.",
    )
    people: PeopleRange | None = Field(
        None, description="The number of people who meet the conditions above; one alert per zone."
    )
    for_: Duration | None = Field(
        None,
        alias="for",
        description="The shortest time for which all conditions above have held, within the `hours`. Interruptions "
        "below 0.5 s, from when they last held until they hold again, are bridged.",
    )
    hours: HoursConfig | None = Field(None, description="Only at these times.")
    cameras: list[CameraId] | None = Field(
        None, min_length=1, max_length=1000, description="Only these cameras. Unset: all."
    )
    severity: Severity = Field("warning", description="info, warning or critical.")
    cooldown: Duration = Field(
        30_000_000,
        validate_default=False,
        description="The shortest time between the starts of two alerts of the rule, for each camera and zone or line: "
        "in media time, and from one epoch to the next by the clock. Default: 30s.",
    )
    clear_after: Duration = Field(
        3_000_000,
        validate_default=False,
        description="An alert is cleared when the conditions have not held for this time; bridged interruptions count "
        "as holding. Default: 3s.",
    )

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions, any of which matches; empty if the rule has none."""
        return as_tuple(self.action)

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones, each with its own alerts; empty if the rule has none."""
        return as_tuple(self.zone)

    @property
    def momentary(self) -> str | None:
        """The field of a condition that holds in one frame only; None if there is none."""
        return next((name for name in ("enters", "leaves", "crosses") if getattr(self, name) is not None), None)

    @model_validator(mode="after")
    def _makes_sense(self) -> RuleConfig:
        moments = [name for name in ("enters", "leaves", "crosses") if getattr(self, name) is not None]
        if not (self.action or self.zone or moments or self.people):
            raise ValueError("a rule needs at least one of action, zone, enters, leaves, crosses, people")
        if len(moments) > 1:
            raise ValueError(f"{' and '.join(moments)} can't hold in the same frame; write two rules")
        if moments and self.for_ is not None:
            raise ValueError(f"{moments[0]} holds in one frame only, so it can't hold `for` a time")
        if moments and self.people is not None:
            raise ValueError(f"people can't be counted with {moments[0]}, which holds in one frame only")
        if self.enters is not None and self.zone is not None:
            raise ValueError("a rule has either enters or zone: a person who enters a zone is in it")
        if self.leaves is not None and self.leaves in self.zones:
            raise ValueError(f"a person who leaves {self.leaves} is not in it")
        if self.dwell is not None and not self.zone:
            raise ValueError("dwell needs a zone")
        if self.to is not None and self.crosses is None:
            raise ValueError("`to` can only be set with crosses")
        if self.action is None and "score" in self.model_fields_set:
            raise ValueError("score can only be set with action")
        return self


class RulesConfig(Section):
    """A rules file."""

    time_zone: TimeZoneName | None = Field(
        None, description="Time zone of all `hours`, for example Europe/Berlin. Needed if a rule has hours."
    )
    actions: dict[ActionName, Condition] = Field(
        default_factory=dict[str, Condition],
        max_length=MOST_ACTIONS,
        json_schema_extra={"additionalProperties": False},
        description="Written actions, by name.",
    )
    rules: dict[RuleName, RuleConfig] = Field(
        default_factory=dict[str, RuleConfig],
        max_length=MOST_RULES,
        json_schema_extra={"additionalProperties": False},
        description="Rules, by name.",
    )

    @field_validator("actions", "rules", mode="before")
    @classmethod
    def _is_not_too_long(cls, value: object, info: ValidationInfo) -> object:
        most = MOST_ACTIONS if info.field_name == "actions" else MOST_RULES
        if isinstance(value, Sized) and len(value) > most:
            raise ValueError(f"there are {len(value)}; at most {most} are allowed")
        return {} if value is None else value  # a heading whose entries are all comments

    @model_validator(mode="after")
    def _fits_together(self) -> RulesConfig:
        for name, action in self.actions.items():
            if (error := size_error(action)) is not None:
                raise ValueError(f"actions.{name}: {error}")
        try:
            self.written_order()
        except CycleError as error:
            raise ValueError(_cycle_error(error.args[1])) from None
        for name, rule in self.rules.items():
            if rule.hours is not None and rule.hours.time_zone is None and self.time_zone is None:
                raise ValueError(f"rules.{name}.hours: set time_zone, for example time_zone: Europe/Berlin")
        return self

    def written_order(self) -> list[str]:
        """Return the written actions, each after those that it refers to. Raises `CycleError`."""
        graph = {
            name: {used for _, one in action.walk("") for used in one.actions if used in self.actions}
            for name, action in self.actions.items()
        }
        return list(TopologicalSorter(graph).static_order())


def _cycle_error(cycle: list[str]) -> str:
    """Return the error for written actions of which each refers to the one before it; the first is also the last."""
    names = cycle[:0:-1]
    if len(names) == 1:
        return f"actions.{names[0]} refers to itself"
    shown = names[:LONGEST_CYCLE] + ["…"] * (len(names) > LONGEST_CYCLE)
    return f"actions: {' → '.join([*shown, names[0]])} refer to each other"
