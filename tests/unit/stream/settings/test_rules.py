"""Rules files that are wrong: each error names the rule or action, its field, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.settings_file import MOST_ERRORS, SettingsFileError, error_text, read_settings
from stream.settings.durations import duration_text
from stream.settings.rules import MOST_ACTIONS, MOST_RULES, RulesConfig

HOURS = "rules: {night: {action: lie, hours: {%s, time_zone: Europe/Berlin}}}"
RULE = "rules: {fall: {action: lie, %s}}"
PLACE = "rules: {there: {%s}}"
IT = "actions: {it: %s}"
DURATION = "must be a number with a unit: 500ms, 10s, 5m or 2h"
NAMES = "must be a name of a-z, 0-9, - and _, or a list of 1 to 64 different such names"


def read(text: str, folder: Path) -> RulesConfig | str:
    """Return the rules in a file, or the error as the engine reports it."""
    file = folder / "rules.yaml"
    file.write_text(text)
    try:
        return RulesConfig.model_validate(read_settings(file, ""))
    except SettingsFileError as error:
        return str(error).removeprefix(f"{file}: ")
    except ValidationError as error:
        return error_text(error, RulesConfig, command="partstream rules")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (RULE % "for: -1s", f"rules.fall.for: {DURATION}"),
        (RULE % "for: 10", f"rules.fall.for: {DURATION}"),
        (RULE % "for: 10 seconds", f"rules.fall.for: {DURATION}"),
        (RULE % "for: ١s", f"rules.fall.for: {DURATION}"),
        (RULE % "for: 25h", "rules.fall.for: must be at most 24h"),
        (RULE % "cooldown: 1d", f"rules.fall.cooldown: {DURATION}"),
        (RULE % "clear_after: ''", f"rules.fall.clear_after: {DURATION}"),
        (RULE % "score: 1.1", "rules.fall.score: must be less than or equal to 1"),
        (RULE % "score: .nan", "rules.fall.score: must be a finite number"),
        (RULE % "score: true", "rules.fall.score: must be a valid number"),
        (RULE % "severity: urgent", "rules.fall.severity: must be 'info', 'warning' or 'critical'"),
        (RULE % "zon: hall", "rules.fall.zon: unknown; did you mean `zone`?"),
        (RULE % "zone: main hall", f"rules.fall.zone: {NAMES}"),
        (RULE % "zone: []", f"rules.fall.zone: {NAMES}"),
        (RULE % "zone: [hall, hall]", f"rules.fall.zone: {NAMES}"),
        (RULE % "zone: no", f"rules.fall.zone: {NAMES}"),
        (RULE % "cameras: lobby", "rules.fall.cameras: must be a list, in brackets"),
        (RULE % "cameras: []", "rules.fall.cameras: List should have at least 1 item after validation, not 0"),
        (RULE % "dwell: 10s", "rules.fall: dwell needs a zone"),
        (RULE % "to: left", "rules.fall: `to` can only be set with crosses"),
        (RULE % "crosses: fence, to: up", "rules.fall.to: must be 'left' or 'right'"),
        (
            RULE % "people: {at_least: 3, at_most: 2}",
            "rules.fall.people: at_least is above at_most, so no number can match",
        ),
        (RULE % "people: {}", "rules.fall.people: set at_least, at_most, or both"),
        (RULE % "people: {at_least: true}", "rules.fall.people.at_least: must be a valid integer"),
        (RULE % "people: {at_least: 0}", "rules.fall.people.at_least: must be greater than or equal to 1"),
        (RULE % "people: {at_most: -1}", "rules.fall.people.at_most: must be greater than or equal to 0"),
        (
            PLACE % "cooldown: 1s",
            "rules.there: a rule needs at least one of action, zone, enters, leaves, crosses, people",
        ),
        (PLACE % "zone: hall, score: 0.5", "rules.there: score can only be set with action"),
        (
            PLACE % "enters: hall, leaves: hall",
            "rules.there: enters and leaves can't hold in the same frame; write two rules",
        ),
        (
            PLACE % "enters: hall, zone: yard",
            "rules.there: a rule has either enters or zone: a person who enters a zone is in it",
        ),
        (PLACE % "leaves: hall, zone: [yard, hall]", "rules.there: a person who leaves hall is not in it"),
        (
            PLACE % "crosses: fence, for: 1s",
            "rules.there: crosses holds in one frame only, so it can't hold `for` a time",
        ),
        (
            PLACE % "crosses: fence, people: {at_least: 2}",
            "rules.there: people can't be counted with crosses, which holds in one frame only",
        ),
        ("rules: {my rule: {action: lie}}", "rules.my rule.[key]: String should match pattern '^[a-z0-9]"),
        ("rules: {fall: lie}", "rules.fall: must be a mapping of names to values"),
        ("rules: [fall]", "rules: must be a mapping of names to values"),
        ("rule: {}", "rule: unknown; did you mean `rules`?"),
        ("rules: {fall: {action: lie}, fall: {action: fall}}", "rules.yaml, line 1: `fall` is set twice"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_field(text: str, error: str, tmp_path: Path) -> None:
    found = read(text, tmp_path)
    assert isinstance(found, str) and error in found


@pytest.mark.parametrize(
    ("hours", "error"),
    [
        ("from: 22:00, to: '06:00'", 'hours.from: must be in quotes, for example "22:00"'),
        ("from: '7:00', to: '09:00'", 'hours.from: must be a time from "00:00" to "24:00"'),
        ("from: '22:00', to: '25:00'", 'hours.to: must be a time from "00:00" to "24:00"'),
        ("from: '22:00', to: '22:00'", "hours: from and to are the same time; leave hours out for the whole day"),
        ("from: '24:00', to: '06:00'", 'hours: from is the end of a day; write "00:00"'),
        ("from: '22:00', to: '06:00', days: [mo]", "hours.days.0: must be 'mon', 'tue', "),
        ("from: '22:00', to: '06:00', days: []", "hours.days: List should have at least 1 item"),
        ("from: '22:00'", "hours.to: Field required"),
    ],
)
def test_hours_that_are_wrong_are_named(hours: str, error: str, tmp_path: Path) -> None:
    found = read(HOURS % hours, tmp_path)
    assert isinstance(found, str) and found.startswith("rules.night." + error)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "CET\n"])
def test_an_unknown_time_zone_is_named(zone: str, tmp_path: Path) -> None:
    error = f"time_zone: there is no time zone {zone!r}; an example is Europe/Berlin"
    assert read(f"time_zone: {zone!r}" if "\n" not in zone else 'time_zone: "CET\\n"', tmp_path) == error


def test_hours_need_a_time_zone_of_their_own_or_of_the_file(tmp_path: Path) -> None:
    text = "rules: {night: {action: lie, hours: {from: '22:00', to: '06:00'}}}"
    assert read(text, tmp_path) == "rules.night.hours: set time_zone, for example time_zone: Europe/Berlin"
    assert isinstance(read(f"time_zone: Europe/Berlin\n{text}", tmp_path), RulesConfig)


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("{}", "actions.it: a condition has exactly one test or combination: one of action, state, near"),
        ("{part: head}", "actions.it: a condition has exactly one test or combination: one of"),
        ("{action: lie, posture: level}", "not action and posture together"),
        ("{action: lie, not: {action: sit}}", "not action and not together"),
        ("{action: []}", f"actions.it.action: {NAMES}"),
        ("{action: [lie, lie]}", f"actions.it.action: {NAMES}"),
        ("{action: left hand}", f"actions.it.action: {NAMES}"),
        ("{any: []}", "actions.it.any: List should have at least 1 item"),
        ("{then: [{action: lie}], within: 1s}", "actions.it.then: List should have at least 2 items"),
        ("{then: [{action: walk}, {action: lie}]}", "actions.it: then needs within, for example within: 3s"),
        ("{then: [{action: walk}, {action: lie}], within: 0s}", "actions.it: within is 0"),
        ("{all: [{action: walk}], within: 1s}", "actions.it: within is an option of then, not of all"),
        ("{state: raise}", "actions.it: state needs a part, for example part: left_hand"),
        ("{part: left_hand, near: left_hand}", "actions.it: near compares the part left_hand with itself"),
        ("{part: left_hand, near: head, by: 0.1}", "actions.it: by is an option of above, not of near"),
        ("{part: left_hand, near: head, distance: .inf}", "actions.it.distance: must be a finite number"),
        ("{part: left_hand, near: head, distance: 0}", "actions.it.distance: must be greater than 0"),
        (
            "{action: lie, part: head}",
            "actions.it: part is an option of state, near, near_object, holds, above, not of",
        ),
        ("{hips: {at_least: .nan}}", "actions.it.hips.at_least: must be a finite number"),
        ("{hips: {at_least: yes}}", "actions.it.hips.at_least: must be a valid number"),
        ("{hips: {at_most: 0.3}, score: 0.5}", "actions.it: hips has no score"),
        ("{speed: {at_least: 2, at_most: 1}}", "actions.it.speed: at_least is above at_most, so no value can match"),
        ("{speed: {}}", "actions.it.speed: set at_least, at_most, or both"),
        ("{posture: lying}", "actions.it.posture: must be 'upright', 'leaning' or 'level'"),
        ("{all: [{any: [{actoin: sit}]}]}", "actions.it.all.0.any.0.actoin: unknown; did you mean `action`?"),
        ("{all: [{not: {action: sit, for: -1s}}]}", f"actions.it.all.0.not.for: {DURATION}"),
        ("{action: it}", "actions.it refers to itself"),
        ("{not: {action: other}}, other: {action: it}", "actions: it → other → it refer to each other"),
        (f"{'{not: ' * 8}{{action: lie}}{'}' * 8}", "actions.it: is nested deeper than 8 levels"),
        (f"{'{not: ' * 10_000}{{action: lie}}{'}' * 10_000}", "is nested too deep"),
        (f"{{all: [{'{action: lie}, ' * 1000}]}}", "actions.it.all: List should have at most 16 items"),
        (
            "{all: [%s]}" % ("{any: [%s]}, " % ("{action: lie}, " * 16) * 4),
            "actions.it: has 69 conditions; at most 64 are allowed",
        ),
    ],
)
def test_a_condition_that_is_wrong_is_named_with_its_place(condition: str, error: str, tmp_path: Path) -> None:
    found = read(IT % condition, tmp_path)
    assert isinstance(found, str) and error in found


def test_a_file_with_too_many_rules_has_one_short_error_and_one_with_many_errors_names_the_first(
    tmp_path: Path,
) -> None:
    def written(what: str, number: int) -> str:
        return f"{what}:\n" + "".join(f"  r{n}: {{action: lie, for: {n}}}\n" for n in range(number))

    empty = "rules:\n" + "".join(f"  r{n}:\n" for n in range(10_000))
    assert read(empty, tmp_path) == f"rules: there are 10000; at most {MOST_RULES} are allowed"
    assert read(written("actions", MOST_ACTIONS + 1), tmp_path) == "actions: there are 129; at most 128 are allowed"
    many = read(written("rules", MOST_RULES), tmp_path)
    assert isinstance(many, str)
    assert many.startswith("rules.r0.for: ") and many.endswith(f"; and {MOST_RULES - MOST_ERRORS} more errors")


def test_a_long_circle_of_written_actions_is_an_error_that_names_its_first() -> None:
    names = [f"a{n}" for n in range(MOST_ACTIONS)]
    actions = {name: {"action": names[n - 1]} for n, name in enumerate(names)}
    with pytest.raises(ValidationError, match=r"actions: (a\d+ → ){6}… → a\d+ refer to each other"):
        RulesConfig.model_validate({"actions": actions})


@pytest.mark.parametrize("text", ["", "rules:\n", "actions:\nrules:\n  # fall: {action: lie}\n", "rules: {}"])
def test_a_file_may_have_no_rules(text: str, tmp_path: Path) -> None:
    assert read(text, tmp_path) == RulesConfig.model_validate({})


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("500ms", 500_000), ("0s", 0), ("1.5 s", 1_500_000), ("5m", 300_000_000), ("24h", 86_400_000_000)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, microseconds: int) -> None:
    fields: dict[str, Any] = {"action": "lie", "for": text}
    assert RulesConfig.model_validate({"rules": {"fall": fields}}).rules["fall"].for_ == microseconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (2, "2 s"),
        (9.96, "10 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (4800, "80 min"),
        (7260, "2 h 1 min"),
        (7200, "2 h"),
    ],
)
def test_durations_are_short_for_people(seconds: float, text: str) -> None:
    assert duration_text(round(seconds * 1e6)) == text
