"""What results a back-test looks at, what its rules need of them, and what it found in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream.backtest.segments import Segment
from stream.settings.conditions import Condition
from stream.settings.config_error import ConfigError
from stream.settings.rules import RulesConfig

Field = Literal[
    "zones",
    "crossed",
    "foot",
    "stature",
    "trunk",
    "hips",
    "speed",
    "parts",
    "states",
    "part boxes",
    "holds of parts",
    "objects",
]
"""What a rule reads of people and objects, beside boxes and the model's actions."""
_OF_CONDITION: Mapping[str, frozenset[Field]] = {
    "state": frozenset({"parts", "states"}),
    "holds": frozenset({"parts", "holds of parts"}),
    "near": frozenset({"parts", "part boxes", "stature"}),
    "near_object": frozenset({"parts", "part boxes", "stature", "objects"}),
    "above": frozenset({"parts", "part boxes", "stature"}),
    "posture": frozenset({"trunk"}),
    "hips": frozenset({"hips"}),
    "speed": frozenset({"speed"}),
}


class MissingFieldError(ConfigError):
    """Results lack a field that a rule needs. `where` names the file; `advice` says what to do."""

    def __init__(self, field: Field, where: str, advice: str) -> None:
        super().__init__(f"{where} lacks {field}: {advice}")
        self.field: Field = field
        self.where = where
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Selection:
    """Results to look at: of some cameras, all if None, whose capture time lies from `from_us` until before `to_us`."""

    cameras: frozenset[str] | None = None
    from_us: int | None = None
    to_us: int | None = None

    def has_camera(self, camera: str) -> bool:
        """Return whether results of this camera are selected."""
        return self.cameras is None or camera in self.cameras

    def has_time(self, capture_us: int) -> bool:
        """Return whether a result of this time is selected."""
        return (self.from_us is None or capture_us >= self.from_us) and (self.to_us is None or capture_us < self.to_us)


@dataclass(slots=True)
class Recorded:
    """Recorded results: the segments of each camera, in order."""

    segments: dict[str, list[Segment]]
    profiles: set[str] = field(default_factory=set[str])
    """The profiles of their models."""
    duplicates: int = 0
    """Results that occurred more than once."""
    late: int = 0
    """Results with an earlier media time than one before them; they are ignored, as by the engine."""
    incomplete: int = 0
    """Results that say how many people there are, but whose rows of people are missing; they are left out."""


def fields_of(rules: RulesConfig) -> dict[str, set[Field]]:
    """Return what each rule needs, also through written actions."""
    return {
        name: {
            *(frozenset({"zones"}) if rule.zones or rule.enters or rule.leaves else ()),
            *(frozenset({"crossed"}) if rule.crosses else ()),
            *(field for action in used_actions(rules, rule.actions) for field in _of_action(rules.actions[action])),
        }
        for name, rule in rules.rules.items()
    }


def all_fields(*files: RulesConfig) -> set[Field]:
    """Return what the rules of these files need together."""
    needed: set[Field] = set()
    return needed.union(*(fields for rules in files for fields in fields_of(rules).values()))


def used_actions(rules: RulesConfig, actions: Iterable[str]) -> set[str]:
    """Return the written actions among these and, again, among those that they refer to."""
    used: set[str] = set()
    wanted = set(actions)
    while wanted:
        used |= (found := {name for name in wanted if name in rules.actions} - used)
        wanted = {action for name in found for _, one in rules.actions[name].walk("") for action in one.actions}
    return used


def only_used(rules: RulesConfig) -> RulesConfig:
    """Return the rules without written actions that no rule uses: they raise no alerts, but take time."""
    used = used_actions(rules, (action for rule in rules.rules.values() for action in rule.actions))
    return rules.model_copy(update={"actions": {name: one for name, one in rules.actions.items() if name in used}})


def _of_action(action: Condition) -> set[Field]:
    return {field for _, one in action.walk("") for field in _OF_CONDITION.get(one.kind, ())}
