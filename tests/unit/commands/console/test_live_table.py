"""The live table of the latest messages in a terminal."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

import support.engines.wire_messages as wire
from commands.console.live_table import ENGINE_ENDED_US, EVENTS_SHOWN, PEOPLE_SHOWN, LiveTable
from stream.results import Action, Event, Frame, Load, ModelRef, Person, Place, Stats, Status

NOW = 1_790_000_000.0
RUN = "a" * 32


def person(track: int, label: str = "wave") -> Person:
    action = Action(label, 0.88, int((NOW - 1.6) * 1e6), [(label, 0.88)])
    return msgspec.structs.replace(wire.person(track), action=action)


def frame(camera: str, *people: Person, **changes: Any) -> Frame:
    changes = {"run": RUN, "people": list(people), "published_us": int((NOW - 0.2) * 1e6)} | changes
    return msgspec.structs.replace(wire.frame(camera, epoch=3), **changes)


def status(camera: str, state: Any = "live", reason: str | None = None, message: str = "live") -> Status:
    changes: dict[str, Any] = {"run": RUN, "state": state, "reason": reason, "message": message}
    return msgspec.structs.replace(wire.status(camera, epoch=3), **changes)


def event(number: int) -> Event:
    return msgspec.structs.replace(wire.event(), run=RUN, track=number)


def stats(ready: bool = True) -> Stats:
    changes = {"run": RUN, "ready": ready, "ready_reason": "" if ready else "the model is loading", "at_us": 0}
    return msgspec.structs.replace(wire.stats(), **changes, load=Load(0, 5, False, None, None))


def shown(table: LiveTable, width: int = 140) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def line_of(text: str, beginning: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(beginning)]
    return " ".join(line.split())


def test_a_camera_shows_its_state_rates_drops_people_and_age() -> None:
    table = LiveTable(lambda: NOW)
    for message in (status("lobby"), stats(), frame("lobby")):
        table.add(message)
    assert line_of(shown(table), "lobby") == "lobby live 0 0.2 s 25.0/s 24.5/s 2 3"


def test_a_person_shows_the_action_since_when_and_the_parts_that_explain_it_most_relevant_first() -> None:
    table = LiveTable(lambda: NOW)
    table.add(frame("lobby", person(7)))
    row = [line for line in shown(table).splitlines() if "wave" in line]
    assert [" ".join(line.split()) for line in row] == ["lobby 7 wave 0.88 1.6 s █ right hand wave ▂ head look"]


def test_a_reduced_quality_and_an_overload_are_shown() -> None:
    table = LiveTable(lambda: NOW)
    table.add(frame("lobby", person(7)))
    table.add(stats())
    assert "reduced" not in shown(table)
    table.add(msgspec.structs.replace(stats(), load=Load(2, 5, False, 8.0, None)))
    assert "reduced detail: this machine is busy (ease level 2 of 5)" in shown(table)
    table.add(msgspec.structs.replace(stats(), load=Load(5, 5, True, 3.0, None)))
    assert "overloaded: frames are dropped at the highest ease level (5)" in shown(table)


def test_cameras_of_all_engines_of_a_fleet_are_shown_together() -> None:
    table = LiveTable(lambda: NOW, fleet=True)
    other = msgspec.structs.replace(stats().cameras[0], camera="yard", fps_in=10.0)
    table.add(stats())
    table.add(msgspec.structs.replace(stats(), run="b" * 32, cameras=[other]))
    table.add(frame("lobby"))
    table.add(frame("yard", run="b" * 32))
    assert line_of(shown(table), "lobby") == "lobby live 0 0.2 s 25.0/s 24.5/s 2 3"
    assert line_of(shown(table), "yard") == "yard live 0 0.2 s 10.0/s 24.5/s 2 3"
    table.add(msgspec.structs.replace(stats(), at_us=ENGINE_ENDED_US))  # the other engine has ended
    assert line_of(shown(table), "yard") == "yard live 0 0.2 s 3"


def place(camera: str, state: Any, reason: str = "") -> Place:
    return Place(run=RUN, seq=0, camera=camera, state=state, generation=1, at_us=0, reason=reason)


def test_a_camera_of_a_fleet_without_an_engine_is_shown_with_the_reason() -> None:
    table = LiveTable(lambda: NOW, fleet=True)
    table.add(place("door", "unplaced", "no engine has room"))
    assert line_of(shown(table), "door ") == "door unplaced 0"
    assert line_of(shown(table), "door:") == "door: no engine has room"
    table.add(place("door", "placed"))
    table.add(status("door"))
    assert line_of(shown(table), "door") == "door live 3"
    table.add(place("door", "removed"))
    assert "door" not in shown(table)


HOSTILE = "\x1b]0;title\x07\x1b[31m\u009b2J\u202e\n[red]text[/]"


def test_control_characters_and_markup_of_messages_do_not_reach_the_terminal() -> None:
    table = LiveTable(lambda: NOW)
    table.add(msgspec.structs.replace(frame("door", person(1, HOSTILE)), model=ModelRef(HOSTILE, "", True)))
    table.add(status(HOSTILE, "stalled", HOSTILE, HOSTILE))
    table.add(msgspec.structs.replace(event(1), camera=HOSTILE, label=HOSTILE))
    text = shown(table, 200)
    assert not [letter for letter in text if letter != "\n" and not letter.isprintable()]
    assert "[red]text[/]" in text


def test_a_camera_with_a_problem_shows_the_remedy() -> None:
    table = LiveTable(lambda: NOW)
    table.add(status("gate", "reconnecting", "unauthorised", "camera gate: it needs a user name and password"))
    text = shown(table)
    assert line_of(text, "gate ") == "gate reconnecting unauthorised 3"
    assert "\ncamera gate: it needs a user name and password" in text


def test_an_unready_engine_and_an_untrained_model_are_shown() -> None:
    table = LiveTable(lambda: NOW)
    table.add(stats(ready=False))
    table.add(frame("lobby", model=ModelRef("edge", "", False)))
    assert "not ready: the model is loading" in shown(table)
    assert "its labels are meaningless" in shown(table)


def test_the_number_of_shown_lines_is_bounded() -> None:
    table = LiveTable(lambda: NOW)
    table.add(frame("lobby", *(person(track) for track in range(PEOPLE_SHOWN + 5))))
    for number in range(100):
        table.add(event(number))
    text = shown(table)
    assert "and 5 more" in text
    assert text.count("after stand") == EVENTS_SHOWN
    assert "person 99 " in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_it_fits_any_terminal_and_keeps_names_and_actions_readable_where_it_can(width: int) -> None:
    table = LiveTable(lambda: NOW)
    long = "a-camera-with-a-name-of-sixty-three-characters-0123456789-abcde"
    for message in (stats(), status(long), frame(long, person(1, "carry_box"), person(2)), frame("lobby"), event(1)):
        table.add(message)
    text = shown(table, width)
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= width
    if width >= 40:
        assert "carry box" in text
    if width >= 80:
        assert "right hand wave" in text
        assert "24.5/s" in text
