"""Reasons of alerts as sentences, for example: lie 0.81 for 12 s in hall: hip lie, trunk level."""

from __future__ import annotations

from collections.abc import Sequence

from stream.rules.conditions import POSTURES
from stream.rules.seen import Shown
from stream.settings.durations import duration_text

MOST_PARTS = 2
"""Parts named, the most relevant first; archives keep at least as many."""
LOW_HIPS = 0.35
"""Height in statures from which hips are called low; they are at 0.53 in a standing adult (Drillis and Contini)."""


def person_reason(
    action: tuple[str, float] | None, place: str, lasted_us: int, person: Shown, parts: Sequence[str]
) -> str:
    """Return why there is an alert about a person.

    `action` with its score, if the rule has one; `place`: `in hall`, or a verb first: `crosses fence to the left`.
    `parts`: those that a written action names. An action is explained by parts and posture, where these are known.
    """
    moment = bool(place) and not place.startswith("in ")
    lasted = [f"for {duration_text(lasted_us)}"] if lasted_us > 0 and not moment else []
    if action is None:
        return " ".join(["person", *([place] if place else []), *lasted])
    done = " ".join([f"{_words(action[0])} {action[1]:.2f}", *lasted])
    sentence = f"{done} and {place}" if moment else f"{done} {place}".rstrip()
    details = _details(person, parts)
    return f"{sentence}: {', '.join(details)}" if details else sentence


def count_reason(people: int, action: str | None, place: str, lasted_us: int) -> str:
    """Return why there is an alert about a number of people."""
    what = [f"{people} {'person' if people == 1 else 'people'}"]
    if action is not None:
        what.append(f"doing {_words(action)}")
    if place:
        what.append(place)
    if lasted_us > 0:
        what.append(f"for {duration_text(lasted_us)}")
    return " ".join(what)


def _details(person: Shown, parts: Sequence[str]) -> list[str]:
    """Return what explains an action: the parts that a written one names, else the most relevant parts' states."""
    if parts:
        details = [_words(part) for part in dict.fromkeys(parts)]
    else:
        relevant = sorted(person.parts, key=lambda part: -part.relevance)[:MOST_PARTS]
        details = [f"{_words(part.part)} {_words(part.states[0][0])}" for part in relevant if part.states]
    hips, trunk = person.hips, person.trunk
    if hips is not None and hips < LOW_HIPS:
        details.append("hips low")
    if trunk is not None and not trunk < POSTURES["level"][0]:
        details.append("trunk level")
    return details


def _words(label: str) -> str:
    return label.replace("_", " ")
