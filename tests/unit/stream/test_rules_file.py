"""Reading rules files: every error is named by file and field, and unknown names come with those that are known."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import pytest

from stages.third_party.weights import WeightsError
from stream.rules_file import Places, check_names, load_rules, name_errors, place_warnings, stored_names
from stream.settings.config_error import ConfigError
from stream.settings.rules import RulesConfig
from support.repository import REPOSITORY

EDGE = stored_names("edge")


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert str(caught.value).startswith(f"{path}")
    return str(caught.value).removeprefix(f"{path}")


def errors_of(actions: dict[str, object], rules: dict[str, object] | None = None) -> list[str]:
    return name_errors(RulesConfig.model_validate({"actions": actions, "rules": rules or {}}), EDGE)


def test_all_errors_of_a_file_are_named_once(tmp_path: Path) -> None:
    text = "rules:\n  a: {zone: hall, for: 1}\n  b: {crosses: fence, to: up}\n  c: {action: {x: y}}\n"
    fields = [error.partition(": ")[0].removeprefix(": ") for error in refused(tmp_path, text)[2:].split("; ")]
    assert fields == ["rules.a.for", "rules.b.to", "rules.c.action"]


def test_known_names_have_no_errors() -> None:
    actions: dict[str, object] = {
        "help": {"all": [{"part": "left_hand", "above": "head"}, {"part": "right_arm", "state": "raise"}]},
        "call": {"any": [{"part": "left_hand", "holds": "cell phone"}, {"part": "right_hand", "holds": "any"}]},
        "both": {"then": [{"action": "help"}, {"action": ["walk", "call"]}], "within": "2s"},
    }
    assert errors_of(actions, {"a": {"action": ["both", "lie"]}}) == []


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ({"part": "left_hnd", "above": "head"}, "part: unknown part 'left_hnd'; did you mean `left_hand`? parts: "),
        ({"part": "left_hand", "near": "haed"}, "near: unknown part 'haed'; did you mean `head`? parts: "),
        (
            {"part": "left_arm", "state": "rais"},
            "state: unknown state 'rais'; did you mean `raise`? states of left_arm",
        ),
        ({"part": "head", "state": "kick"}, "state: unknown state 'kick'; "),
        ({"action": "lye"}, "action: unknown action 'lye'; did you mean `lie`? actions: "),
        ({"part": "left_hand", "holds": "cell fone"}, "holds: unknown object 'cell fone'; did you mean `cell phone`? "),
        (
            {"part": "left_hand", "near_object": "tvv"},
            "near_object: unknown object 'tvv'; did you mean `tv`? objects: ",
        ),
        ({"part": "head", "holds": "any"}, "part: only left_hand and right_hand hold objects, not head"),
    ],
)
def test_a_name_that_the_checkpoint_does_not_know_is_named_with_the_nearest_and_all_known(
    condition: dict[str, object], error: str
) -> None:
    (found,) = errors_of({"mine": {"any": [{"not": condition}]}})
    assert found.startswith(f"actions.mine.any.0.not.{error}")


def test_a_written_action_may_not_have_the_name_of_one_of_the_models() -> None:
    assert errors_of({"lie": {"posture": "level"}}) == [
        "actions.lie: the model has an action of this name; choose another"
    ]


def test_all_unknown_names_are_in_one_message_with_the_file() -> None:
    rules = RulesConfig.model_validate({"rules": {"a": {"action": "lye"}, "b": {"action": ["lie", "fal"]}}})
    with pytest.raises(ConfigError, match=r"^my\.yaml: rules\.a\.action: .*; rules\.b\.action: "):
        check_names(rules, EDGE, "my.yaml")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(WeightsError, match="there is no such checkpoint"):
        stored_names(str(path))
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a checkpoint, or damaged"):
        stored_names(str(path))


def test_what_is_no_rules_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: can't be read: No such file"):
        load_rules(tmp_path / "none.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match=r"pipe\.yaml: is not a file"):
        load_rules(tmp_path / "pipe.yaml")


def test_a_configuration_of_the_engine_is_not_taken_for_a_rules_file(tmp_path: Path) -> None:
    path = tmp_path / "partstream.yaml"
    path.write_text("cameras:\n  - {id: hall, source: rtsp://192.0.2.1/}\n")
    with pytest.raises(ConfigError, match="is a configuration of the engine"):
        load_rules(path)


def test_places_that_no_camera_of_the_rule_has_are_warned_of() -> None:
    rules = RulesConfig.model_validate(
        {
            "rules": {
                "a": {"zone": ["hall", "hal"], "cameras": ["lobby"]},
                "b": {"crosses": "fence", "cameras": ["lobby", "yrad"]},
                "c": {"enters": "yard-zone"},
                "d": {"crosses": "gate"},
                "e": {"crosses": "hall"},
            }
        }
    )
    cameras = {"lobby": Places(["hall"], []), "yard": Places(["yard-zone"], ["fence"])}
    assert place_warnings(rules, cameras) == [
        "rules.a.zone: unknown zone 'hal'; did you mean `hall`? zones of its cameras: hall",
        "rules.b.cameras: unknown camera 'yrad'; did you mean `yard`? cameras: lobby, yard",
        "rules.b.crosses: unknown line 'fence'; lines of its cameras: none",
        "rules.d.crosses: unknown line 'gate'; lines of its cameras: fence",
        "rules.e.crosses: hall is not a line, but a zone",
    ]


def test_the_example_rules_and_those_on_the_page_about_rules_are_valid_and_known_to_the_default_model(
    tmp_path: Path,
) -> None:
    examples = [(REPOSITORY / "examples" / "rules.yaml").read_text()]
    page = (REPOSITORY / "docs" / "rules.md").read_text()
    examples += [textwrap.dedent(text) for text in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)]
    assert len(examples) == 3
    for number, text in enumerate(examples):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        check_names(load_rules(path), EDGE, str(path))
