"""Events of a film's people: when a smoothed action begins and ends, as the engine's event messages say it.

The engine derives events in `stream.cameras.events`; tests/integration/test_film_answers.py compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from training.footage.segments.answered_film import AnsweredFilm


class ActionEvent(NamedTuple):
    """One person's unbroken smoothed action.

    `begin` is the frame in which it began; `end`, exclusive, the one in which another began, or the frame after the
    track was last seen.
    """

    track: int
    label: str
    begin: int
    end: int


def action_events(film: AnsweredFilm) -> list[ActionEvent]:
    """Return all events of a film, by their begin. A track that is lost and found again with its label goes on."""
    return sorted(_events(film), key=lambda event: (event.begin, event.track))


def _events(film: AnsweredFilm) -> Iterator[ActionEvent]:
    current: dict[int, ActionEvent] = {}
    for frame in sorted(film.answers):
        for person in film.answers[frame]:
            if person.smoothed is None:
                continue
            now = current.get(person.track)
            if now is not None and now.label == person.smoothed:
                current[person.track] = now._replace(end=frame + 1)
                continue
            if now is not None:
                yield now._replace(end=frame)
            current[person.track] = ActionEvent(person.track, person.smoothed, frame, frame + 1)
    yield from current.values()
