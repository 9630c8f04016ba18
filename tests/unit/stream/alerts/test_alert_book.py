"""The alert book: the list, acknowledgements, and bounds."""

from __future__ import annotations

from typing import Any, Literal

from stream.alerts import alert_book
from stream.alerts.alert_book import AlertBook
from stream.results import Alert


def alert(name: str, state: Literal["began", "updated", "cleared"] = "began", camera: str = "door") -> Alert:
    fields: dict[str, Any] = dict.fromkeys(
        ("zone", "line", "track", "people", "action", "score", "box", "clear_reason"), None
    )
    fields |= {"run": "", "seq": 0, "camera": camera, "epoch": 1, "frame": 7, "rule": "visitor", "severity": "info"}
    fields |= {"reason": "person", "capture_us": 1, "since_us": 1, "began_us": 1}
    return Alert(alert=name, state=state, **fields)


class Published(list[Alert]):
    def __call__(self, message: Alert) -> Alert:
        self.append(message)
        return message


def names(book: AlertBook, camera: str | None = None, *, only_open: bool = False) -> list[str]:
    return [entry.alert for entry in book.entries(camera, only_open=only_open, limit=10_000)]


def test_the_ids_of_open_alerts_are_listed_unless_there_are_very_many() -> None:
    book = AlertBook(Published(), None)
    book.take([alert("b"), alert("a"), alert("c"), alert("c", "cleared")])
    assert book.open_ids() == ["a", "b"]
    book.take([alert(str(number)) for number in range(999)])
    assert book.open_ids() is None


def test_open_alerts_come_first_and_of_each_group_the_latest_first() -> None:
    book = AlertBook(Published(), None)
    book.take([alert("a"), alert("b", camera="yard"), alert("c"), alert("a", "cleared"), alert("b", "updated", "yard")])
    assert names(book) == ["c", "b", "a"]
    assert names(book, only_open=True) == ["c", "b"] and names(book, "yard") == ["b"]
    assert book.open() == {("door", "visitor"): 1, ("yard", "visitor"): 1}


def test_an_acknowledgement_is_published_once_and_stays_in_later_messages() -> None:
    published = Published()
    book = AlertBook(published, None)
    book.take([alert("a")])
    entry = book.acknowledge("a")
    assert entry is not None and entry.acknowledged_us is not None
    assert book.acknowledge("a") == entry and len(published) == 2
    book.take([alert("a", "updated"), alert("a", "cleared")])
    assert {one.acknowledged_us for one in published[1:]} == {entry.acknowledged_us}
    assert [one.state for one in published] == ["began", "updated", "updated", "cleared"]


def test_a_cleared_alert_can_be_acknowledged_and_is_not_published_again() -> None:
    published = Published()
    book = AlertBook(published, None)
    book.take([alert("a"), alert("a", "cleared")])
    entry = book.acknowledge("a")
    assert entry is not None and entry.state == "cleared" and entry.acknowledged_us is not None
    assert book.acknowledge("a") == entry and len(published) == 2
    assert book.open().total() == 0 and book.acknowledge("b") is None


def test_what_is_open_of_a_camera_can_be_cleared_as_a_whole() -> None:
    published = Published()
    book = AlertBook(published, None)
    book.take([alert("a"), alert("b", camera="yard"), alert("c")])
    book.clear("door", "rules")
    assert [(one.alert, one.clear_reason) for one in published[3:]] == [("a", "rules"), ("c", "rules")]
    assert names(book, only_open=True) == ["b"]


def test_the_oldest_cleared_alerts_are_dropped_and_open_ones_never() -> None:
    book = AlertBook(Published(), None)
    book.take([alert("open")])
    for number in range(alert_book.MOST_CLOSED + 5):
        book.take([alert(str(number)), alert(str(number), "cleared")])
    listed = names(book)
    assert listed[0] == "open" and len(listed) == alert_book.MOST_CLOSED + 1 and "4" not in listed
