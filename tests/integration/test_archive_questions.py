"""The queries of docs/archive.md on an archive of one day, made by an archiver from a real publisher.

At 8 UTC one person at the door walks for a minute. At 9 there are two people in the yard, of whom one waves for half a
minute and then falls. There is one result per second. The yard's camera is down for two minutes, and 5 of its results
are lost.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

import support.engines.wire_messages as wire
from stream.results import Action, Event, Frame, Person, Status
from support.engines.archiving import archiving, publishing
from support.repository import REPOSITORY
from support.waiting import until

PAGE = REPOSITORY / "docs" / "archive.md"
EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def doing(track: int, label: str, score: float = 0.9) -> Person:
    action = Action(label, score, micros(EIGHT), [(label, score)])
    return msgspec.structs.replace(wire.person(track), action=action)


def result(camera: str, moment: datetime, *people: Person) -> Frame:
    return msgspec.structs.replace(wire.frame(camera), capture_us=micros(moment), people=list(people))


def state(camera: str, moment: datetime, name: str, reason: str | None) -> Status:
    return msgspec.structs.replace(wire.status(camera), state=name, at_us=micros(moment), reason=reason)


def fell(moment: datetime, kind: str = "changed") -> Event:
    return msgspec.structs.replace(
        wire.event("yard"), label="fall", previous="wave", kind=kind, since_us=micros(moment), capture_us=micros(moment)
    )


async def keep_the_day(folder: Path) -> None:
    nine = EIGHT + timedelta(hours=1)
    async with publishing(history_messages=65) as publisher:
        async with archiving(publisher, folder) as archiver:
            publisher.publish(state("door", EIGHT, "live", None))
            publisher.publish(state("yard", EIGHT, "live", None))
            publisher.publish(state("yard", EIGHT + timedelta(minutes=10), "reconnecting", "silent"))
            publisher.publish(state("yard", EIGHT + timedelta(minutes=12), "live", None))
            for second in range(60):
                publisher.publish(result("door", EIGHT + timedelta(seconds=second), doing(1, "walk")))
            publisher.publish(result("yard", EIGHT))
            await until(lambda: archiver.counts.messages == 65)
        for second in range(70):  # the archiver is stopped; the engine keeps the last 65
            label = "wave" if 10 <= second < 40 else "fall" if second >= 40 else "stand"
            people = [doing(1, label), doing(2, "stand", 0.4)]
            publisher.publish(result("yard", nine + timedelta(seconds=second), *people))
        publisher.publish(fell(nine + timedelta(seconds=40)))
        publisher.publish(fell(nine + timedelta(seconds=41), "ended"))
        publisher.publish(fell(nine + timedelta(seconds=50)))
        async with archiving(publisher, folder) as archiver:
            await until(lambda: archiver.counts.messages == 65 + 3)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("day")
    asyncio.run(keep_the_day(folder / "archive"))
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def questions() -> dict[str, str]:
    """Return the queries of the page by the line of text before each."""
    found = re.findall(r"([^\n]+)\n\n```sql\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return dict(found)


ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "Minutes in which": [("door", "walk", 1.0), ("yard", "fall", 0.5), ("yard", "wave", 0.5), ("yard", "stand", 0.08)],
    "When a person first fell": [(datetime(2026, 11, 25, 9, 0, 40), "yard", 1, pytest.approx(0.88))],
    "The busiest hour": [(datetime(2026, 11, 25, 9, 0), 2, 2.0)],
    "Which parts support": [
        (action, part, relevance, times)
        for action, times in (("fall", 30), ("stand", 5 + 65), ("walk", 60), ("wave", 30))
        for part, relevance in (("right_hand", 0.93), ("head", 0.12))
    ],
    "Minutes that each camera wasn't live": [("yard", "reconnecting", "silent", 2.0)],
    "Copy past days": [(60 + 2 * 65,)],
}


@pytest.mark.parametrize("opening", ANSWERS)
def test_each_query_of_the_page_has_the_right_answer(day: Path, opening: str) -> None:
    ((_, question),) = [(text, sql) for text, sql in questions().items() if text.startswith(opening)]
    with duckdb.connect() as database:
        assert database.execute(question).fetchall() == ANSWERS[opening]


def test_lost_messages_are_listed_by_camera_and_kind(day: Path) -> None:
    ((_, question),) = [(text, sql) for text, sql in questions().items() if text.startswith("Messages that were lost")]
    with duckdb.connect() as database:
        ((camera, kind, lost, unknown, _),) = database.execute(question).fetchall()
    assert (camera, kind, lost, unknown) == ("yard", "results", 5, 0)
