"""`partstream rules`: what it prints and writes, and how it fails."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commands.rules.videos import Video, settings_of
from run_stream import app
from stream.results import ALERT_SCHEMA, Frame
from stream.rules.conditions import UNSEEN_US
from stream.rules_file import stored_names
from support.backtest import recorded
from support.backtest.recorded import frame, person, write_archive, write_results

RULES = """
rules:
  down: {action: lie, zone: hall, for: 2s, severity: critical, cooldown: 0s}
  empty: {zone: desk, people: {at_most: 0}, for: 10s}
"""
OLD = "rules: {down: {action: lie, zone: hall, for: 8s, cooldown: 0s}, visitor: {zone: hall, dwell: 1s, cooldown: 0s}}"
CONFIG = """
cameras:
  - id: lobby
    source: rtsp://camera.invalid/x
    zones: {hall: {points: [[0, 0], [0.1, 0], [0.1, 0.1]]}, desk: {points: [[0, 0.1], [1, 0.1], [1, 1], [0, 1]]}}
    lines: {fence: {points: [[0.1, 0.1], [0.9, 0.9]]}}
"""


def partstream(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), prog_name="partstream", env={"COLUMNS": "160"})


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def frames() -> list[Frame]:
    """A minute: a person lies in the hall for 6 s and, 20 s later, another for 12 s."""
    lying = {**dict.fromkeys(range(20, 50), 1), **dict.fromkeys(range(150, 210), 2)}
    return [frame(seq, [person(lying[seq], zones=["hall"])] if seq in lying else []) for seq in range(300)]


def tried(folder: Path, *words: object, rules: str = RULES, code: int = 0) -> dict[str, Any]:
    out = folder / "out.json"
    done = partstream("rules", "try", written(folder, "rules.yaml", rules), *words, "--json", out)
    assert done.exit_code == code, done.output
    return json.loads(out.read_text(encoding="utf-8"))


def refused(*words: object, code: int = 2) -> str:
    done = partstream("rules", *words)
    assert done.exit_code == code, done.output
    return " ".join(done.stderr.split())


def test_alerts_are_counted_and_listed(tmp_path: Path) -> None:
    found = tried(tmp_path, write_archive(tmp_path / "archive", frames()))
    down = found["rules"]["down"]
    assert (down["alerts"], down["alerts_interval"], down["per_day"]) == (2, [0.24, 7.22], None)
    assert (down["by_camera"], down["by_place"], down["by_hour_utc"]) == ({"lobby": 2}, {"hall": 2}, {"14": 2})
    assert [(one["rule"], one["track"], one["seconds"]) for one in found["alerts"]] == [
        ("down", 1, 6.8),
        ("empty", None, 49.8),
        ("down", 2, 12.8),
    ]
    first, empty, _ = found["alerts"]
    assert first["reason"] == "lie 0.80 for 2 s in hall: hip lie, hips low, trunk level"
    assert (first["since"], first["began"]) == ("2026-09-21T14:13:24.000Z", "2026-09-21T14:13:26.000Z")
    assert (first["clear_reason"], empty["ended"], empty["people"]) == ("left", None, 0)
    (camera,) = found["results"]["cameras"]
    assert (camera["results"], camera["results_with_people"], camera["gaps"]) == (300, 90, [])
    assert found["results"]["hours"] == pytest.approx(59.8 / 3600, abs=1e-4)


def test_a_rate_has_its_interval_and_gaps_do_not_count(tmp_path: Path) -> None:
    many = [frame(seq, media_us=seq * UNSEEN_US) for seq in range(30 * 1200)]
    later = [frame(40_000 + seq, media_us=(40_000 + seq) * UNSEEN_US) for seq in range(20)]
    rules = "rules: {empty: {people: {at_most: 0}, for: 1h}}"
    found = tried(tmp_path, write_archive(tmp_path / "archive", many, later), rules=rules)
    (camera,) = found["results"]["cameras"]
    missing, hours = camera["results_missing"], camera["hours"]
    assert (len(camera["gaps"]), missing, hours) == (1, 4000, pytest.approx(30.015, abs=0.01))
    rate = found["rules"]["empty"]["per_day"]
    assert rate == pytest.approx({"rate": 0.8, "low": 0.0202, "high": 4.455}, rel=5e-3)


def test_no_file_that_was_read_is_replaced_by_what_is_found(tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", RULES)
    results = write_results(tmp_path / "r.jsonl.1", frames())  # of an earlier run
    before = rules.read_bytes(), results.read_bytes()
    for option in ("--json", "--alerts"):
        for out in (rules, results):
            done = partstream("rules", "try", rules, results, option, out)
            assert done.exit_code == 1 and "choose another file" in done.stderr
    assert (rules.read_bytes(), results.read_bytes()) == before


def test_messages_are_written_as_they_would_be_published(tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    tried(tmp_path, write_archive(tmp_path / "archive", frames()), "--alerts", alerts)
    bodies = [json.loads(line) for line in alerts.read_bytes().splitlines()]
    assert {body["schema"] for body in bodies} == {ALERT_SCHEMA}
    assert [body["seq"] for body in bodies] == list(range(len(bodies)))
    assert {body["run"] for body in bodies} == {recorded.RUN}
    assert [(body["rule"], body["state"]) for body in bodies] == [
        ("down", "began"),
        ("empty", "began"),
        ("down", "cleared"),
        *[("empty", "updated")] * 2,
        ("down", "began"),
        ("empty", "updated"),
        ("down", "cleared"),
        ("empty", "updated"),
    ]


def test_what_is_new_and_what_is_gone_is_shown(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", frames())
    found = tried(tmp_path, archive, "--against", written(tmp_path, "old.yaml", OLD))
    assert [(one["rule"], one["track"]) for one in found["against"]["new"]] == [("down", 1), ("empty", None)]
    assert [(one["rule"], one["track"]) for one in found["against"]["gone"]] == [("visitor", 1), ("visitor", 2)]


def label_rows() -> list[dict[str, Any]]:
    at = "2026-09-21T14:13:{:02d}Z"
    return [
        {"camera": "lobby", "rule": "down", "start": at.format(24), "end": at.format(30)},
        {"camera": "lobby", "rule": "down", "start": 55, "end": 59.5},
        {"camera": "other", "rule": "down", "start": 0, "end": 1},
    ]


def test_labels_give_precision_recall_and_delay(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", frames())
    as_json = written(tmp_path, "labels.json", json.dumps(label_rows()))
    judged = tried(tmp_path, archive, "--labels", as_json)["labels"]["down"]
    assert (judged["precision"]["right"], judged["precision"]["of"], judged["precision"]["share"]) == (1, 2, 0.5)
    assert judged["precision"]["interval"] == [0.0126, 0.9874]
    assert (judged["recall"]["right"], judged["recall"]["of"]) == (1, 2)
    assert (judged["delay_s"]["median"], judged["delay_s"]["low"]) == (2.0, None)
    assert [one["track"] for one in judged["wrong"]] == [2]
    assert [one["start"] for one in judged["missed"]] == ["2026-09-21T14:14:15.000Z"]
    as_csv = tmp_path / "labels.csv"
    with as_csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["camera", "rule", "start", "end"])
        writer.writeheader()
        writer.writerows(label_rows())
    assert tried(tmp_path, archive, "--labels", as_csv)["labels"]["down"] == judged


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.json", '[{"camera": "lobby", "rule": "d", "start": 3}]', "l.json, label 1: end is missing"),
        ("l.json", "[\n{]", "l.json, line 2: not valid JSON"),
        ("l.csv", "camera,rule,start,end\nlobby,down,1,\n", "l.csv, line 2: end is missing"),
    ],
)
def test_wrong_labels_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    results = write_results(tmp_path / "r.jsonl", frames()[:5])
    rules = written(tmp_path, "rules.yaml", RULES)
    assert message in refused("try", rules, results, "--labels", written(tmp_path, name, text))


def test_zones_of_the_configuration_replace_the_recorded_ones(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", frames())
    config = written(tmp_path, "partstream.yaml", CONFIG)
    assert tried(tmp_path, archive, "--config", config)["rules"]["down"]["alerts"] == 0
    at_desk = RULES.replace("hall", "desk")
    assert tried(tmp_path, archive, "--config", config, rules=at_desk)["rules"]["down"]["alerts"] == 2
    state = written(tmp_path, "state.json", '{"version": 1, "cameras": [], "removed": ["lobby"]}')
    config.write_text(f"{CONFIG}\nstate_file: {state}\n")
    done = partstream("rules", "try", tmp_path / "rules.yaml", archive, "--config", config)
    assert "--config has no camera lobby" in " ".join(done.stderr.split())


def test_rules_that_the_results_cannot_answer_are_left_out_by_name(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", frames(), parts=0)
    action = f"actions: {{mine: {{part: hip, state: {stored_names('edge').vocabulary.states_of['hip'][0]}}}}}\n"
    rules = f"{action}{RULES}  shy: {{action: mine}}\n"
    found = tried(tmp_path, archive, rules=rules, code=1)
    assert list(found["refused"]) == ["shy"] and "--parts all" in found["refused"]["shy"]
    assert found["rules"]["down"]["alerts"] == 2
    only = written(tmp_path, "only.yaml", f"{action}rules: {{shy: {{action: mine}}}}")
    message = refused("try", only, archive)
    assert "only.yaml: rules.shy can't be tried" in message and "--parts all" in message


def test_times_are_selected_and_nothing_selected_is_an_error(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", frames())
    until = tried(tmp_path, archive, "--to", "2026-09-21T14:13:40")
    assert until["rules"]["down"]["alerts"] == 1
    rules = tmp_path / "rules.yaml"
    late = refused("try", rules, archive, "--from", "2026-10-01")
    assert "no results of the chosen cameras and times, but of lobby from 2026-" in late
    assert "--from yesterday is not a time" in refused("try", rules, archive, "--from", "yesterday")


def test_check_names_the_file_and_what_is_wrong(tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", RULES)
    done = partstream("rules", "check", rules)
    assert (done.exit_code, done.stderr) == (0, f"{rules}: valid (2 rules, 0 written actions)\n")
    wrong = written(tmp_path, "wrong.yaml", "rules: {a: {zone: hall, for: -1s}}")
    assert "wrong.yaml: rules.a.for: must be a number with a unit" in refused("check", wrong)
    unknown = written(tmp_path, "unknown.yaml", "actions: {a: {part: head, state: nodd}}")
    assert "unknown.yaml: actions.a.state: unknown state 'nodd'" in refused("check", unknown)
    assert "there is no such checkpoint" in refused("check", rules, "--profile", tmp_path / "x.safetensors", code=3)


def test_check_warns_of_zones_that_no_camera_has(tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", "rules: {a: {zone: hal}, b: {crosses: fence}}")
    done = partstream("rules", "check", rules, "--config", written(tmp_path, "partstream.yaml", CONFIG))
    assert done.exit_code == 0
    assert "warning: rules.a.zone: unknown zone 'hal'; did you mean `hall`?" in done.stderr
    assert "fence" not in done.stderr


def test_videos_are_analysed_with_the_settings_of_the_camera_of_their_name(tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    video.touch()
    config = written(tmp_path, "partstream.yaml", CONFIG)
    settings = settings_of(
        [Video(str(video), "lobby", "lobby"), Video(str(video), "cam1")], config, "edge-open", tmp_path / "r.jsonl"
    )
    assert [(camera.id, str(camera.source), camera.pace, len(camera.zones)) for camera in settings.cameras] == [
        ("lobby", str(video), "fast", 2),
        ("cam1", str(video), "fast", 0),
    ]
    assert (settings.once, settings.http.bind, settings.model.profile) == (True, None, "edge-open")
