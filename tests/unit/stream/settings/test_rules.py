"""Rules files that are wrong: each error names the rule or action, its field, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.settings_file import MOST_ERRORS, SettingsFileError, error_text, read_settings
from stream.settings.rules import MOST_ACTIONS, MOST_RULES, RulesConfig
from stream.settings.values import duration_text


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
    ("rule", "error"),
    [
        ("action: lie, for: 10", "rules.it.for: must be a number with a unit: 500ms, 10s, 5m or 2h"),
        ("action: lie, score: .nan", "rules.it.score: must be a finite number"),
        ("action: lie, zon: hall", "rules.it.zon: unknown; did you mean `zone`?"),
        ("action: lie, zone: [hall, hall]", "rules.it.zone: must be a name of a-z, 0-9, - and _, or a list of 1 to 64"),
        ("action: lie, dwell: 10s", "rules.it: dwell needs a zone"),
        ("people: {at_least: 3, at_most: 2}", "rules.it.people: at_least is above at_most, so no number can match"),
        ("cooldown: 1s", "rules.it: a rule needs at least one of action, zone, enters, leaves, crosses, people"),
        ("enters: hall, leaves: hall", "rules.it: enters and leaves can't hold in the same frame; write two rules"),
        ("leaves: hall, zone: [yard, hall]", "rules.it: a person who leaves hall is not in it"),
        ("crosses: fence, for: 1s", "rules.it: crosses holds in one frame only, so it can't hold `for` a time"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_field(rule: str, error: str, tmp_path: Path) -> None:
    found = read(f"rules: {{it: {{{rule}}}}}", tmp_path)
    assert isinstance(found, str) and error in found


@pytest.mark.parametrize(
    ("hours", "error"),
    [
        ("from: 22:00, to: '06:00'", 'hours.from: must be in quotes, for example "22:00"'),
        ("from: '22:00', to: '25:00'", 'hours.to: must be a time from "00:00" to "24:00"'),
        ("from: '22:00', to: '22:00'", "hours: from and to are the same time; leave hours out for the whole day"),
        ("from: '22:00', to: '06:00', days: [mo]", "hours.days.0: must be 'mon', 'tue', "),
        ("from: '22:00', to: '06:00'", "hours: set time_zone, for example time_zone: Europe/Berlin"),
        ("from: '22:00', to: '06:00', time_zone: Mars/X", "hours.time_zone: there is no time zone 'Mars/X'"),
    ],
)
def test_hours_that_are_wrong_are_named(hours: str, error: str, tmp_path: Path) -> None:
    text = f"rules: {{night: {{action: lie, hours: {{{hours}}}}}}}"
    found = read(text, tmp_path)
    assert isinstance(found, str) and found.startswith("rules.night." + error)
    if "set time_zone" in error:
        assert isinstance(read(f"time_zone: Europe/Berlin\n{text}", tmp_path), RulesConfig)


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("{part: head}", "actions.it: a condition has exactly one test or combination: one of"),
        ("{action: lie, not: {action: sit}}", "not action and not together"),
        ("{then: [{action: walk}, {action: lie}]}", "actions.it: then needs within, for example within: 3s"),
        ("{part: left_hand, near: left_hand}", "actions.it: near compares the part left_hand with itself"),
        ("{hips: {at_most: 0.3}, score: 0.5}", "actions.it: hips has no score"),
        ("{all: [{any: [{actoin: sit}]}]}", "actions.it.all.0.any.0.actoin: unknown; did you mean `action`?"),
        ("{not: {action: other}}, other: {action: it}", "actions: it → other → it refer to each other"),
        (f"{'{not: ' * 8}{{action: lie}}{'}' * 8}", "actions.it: is nested deeper than 8 levels"),
        (f"{'{not: ' * 10_000}{{action: lie}}{'}' * 10_000}", "is nested too deep"),
        (
            "{all: [%s]}" % ("{any: [%s]}, " % ("{action: lie}, " * 16) * 4),
            "actions.it: has 69 conditions; at most 64 are allowed",
        ),
    ],
)
def test_a_condition_that_is_wrong_is_named_with_its_place(condition: str, error: str, tmp_path: Path) -> None:
    found = read(f"actions: {{it: {condition}}}", tmp_path)
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


@pytest.mark.parametrize("text", ["", "actions:\nrules:\n  # fall: {action: lie}\n", "rules: {}"])
def test_a_file_may_have_no_rules(text: str, tmp_path: Path) -> None:
    assert read(text, tmp_path) == RulesConfig.model_validate({})


def test_a_duration_is_a_number_with_a_unit_and_is_short_for_people() -> None:
    for text, us in [("500ms", 500_000), ("0s", 0), ("1.5 s", 1_500_000), ("24h", 86_400_000_000)]:
        fields = {"action": "lie", "for": text}
        assert RulesConfig.model_validate({"rules": {"fall": fields}}).rules["fall"].for_ == us
    texts = [duration_text(round(seconds * 1e6)) for seconds in (0.84, 9.96, 119.4, 119.6, 4800, 7260, 7200)]
    assert texts == ["0.8 s", "10 s", "119 s", "2 min", "80 min", "2 h 1 min", "2 h"]
