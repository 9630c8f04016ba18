"""The report of a trial on the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from commands.console.amounts import counted
from commands.console.tables import show_title, table, text
from stream.settings.values import duration_text

MOST_LISTED = 40
"""Alerts that a list on the console shows; `--json` has all."""


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print what `summary` returned."""
    _show_results(found["results"], console)
    _show_rules(found["rules"], console)
    for name, reason in found["refused"].items():
        _say(console, "red", f"rules.{name} was not tried: {reason}")
    for note in found["notes"]:
        _say(console, "yellow", note)
    if "labels" in found:
        _show_labels(found["labels"], console)
    if "against" in found:
        for kind in ("new", "gone"):
            _show_alerts(found["against"][kind], f"{kind.capitalize()} alerts", console)
    else:
        _show_alerts(found["alerts"], "Alerts", console)


def _show_results(results: Mapping[str, Any], console: Console) -> None:
    for one in results["cameras"]:
        missing = f", {one['results_missing']} missing" if one["results_missing"] else ""
        gaps = f", {counted(len(one['gaps']), 'gap')}" if one["gaps"] else ""
        covered = duration_text(round(one["hours"] * 3.6e9))
        line = (
            f"{one['camera']}: {covered} of results from {_short(one['from'])} to {_short(one['to'])} UTC "
            f"({one['results']} results, {one['results_with_people']} with people{missing}{gaps})"
        )
        _say(console, "", line)
    for name, what in (
        ("duplicates", "results occur twice and were used once"),
        ("late", "results came after later ones and were left out"),
        ("without_people_rows", "results were left out, because rows of their people are missing"),
    ):
        if results[name]:
            _say(console, "yellow", f"{results[name]} {what}")


def _show_rules(rules: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    rates = any(rule["per_day"] is not None for rule in rules.values())
    made = table("rule", "alerts", *(["per day and camera"] if rates else []), "longest", "busiest hour, UTC")
    for name, rule in rules.items():
        low, high = rule["alerts_interval"]
        rate = rule["per_day"]
        cells = [f"{rule['alerts']} [{low:.3g}, {high:.3g}]"]
        if rates:
            cells.append("–" if rate is None else f"{rate['rate']:.3g} [{rate['low']:.3g}, {rate['high']:.3g}]")
        longest = rule["longest"]
        cells.append("–" if longest is None else duration_text(round(longest["seconds"] * 1e6)))
        hours = rule["by_hour_utc"]
        busiest = max(hours, key=lambda hour: hours[hour], default=None)
        cells.append("–" if busiest is None else f"{busiest}:00 ({hours[busiest]})")
        made.add_row(text(name), *cells)
    show_title(console, "Alerts that the rules would have raised [95 % interval]")
    console.print(made)
    if not rates:
        _say(console, "", "A rate per day needs at least 24 hours of results.")
    for name, rule in rules.items():
        for key, what in (("by_camera", "camera"), ("by_place", "zone or line")):
            if len(rule[key]) > 1:
                counts = ", ".join(f"{one} {count}" for one, count in rule[key].items())
                _say(console, "", f"{name} by {what}: {counts}")


def _show_labels(labels: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    made = table("rule", "precision", "recall", "delay, s")
    for name, one in labels.items():
        delay = one["delay_s"]
        interval = "" if delay is None or delay["low"] is None else f" [{delay['low']:.1f}, {delay['high']:.1f}]"
        late = "–" if delay is None else f"{delay['median']:.1f}{interval}"
        made.add_row(text(name), _share(one["precision"]), _share(one["recall"]), late)
    show_title(console, "Compared with the labels [95 % interval]")
    console.print(made)
    for name, one in labels.items():
        for label in one["missed"][:MOST_LISTED]:
            _say(console, "", f"{name} missed: {label['camera']} {_short(label['start'])} to {_short(label['end'])}")


def _show_alerts(alerts: Sequence[Mapping[str, Any]], title: str, console: Console) -> None:
    show_title(console, f"{title}: {len(alerts)}")
    if not alerts:
        return
    made = table("began, UTC", "lasted", "camera", "rule", "who", "reason", words=6)
    for one in alerts[:MOST_LISTED]:
        who = f"track {one['track']}" if one["track"] is not None else counted(one["people"] or 0, "person")
        lasted = ("" if one["ended"] is not None else "> ") + duration_text(round(one["seconds"] * 1e6))
        cells = (_short(one["began"]), lasted, one["camera"], one["rule"], who.replace("persons", "people"))
        made.add_row(*map(text, (*cells, one["reason"])))
    console.print(made)
    if len(alerts) > MOST_LISTED:
        _say(console, "", f"and {len(alerts) - MOST_LISTED} more; --json FILE writes all of them")


def _share(share: Mapping[str, Any]) -> str:
    if share["share"] is None:
        return "–"
    low, high = share["interval"]
    return f"{share['right']}/{share['of']} {share['share']:.0%} [{low:.0%}, {high:.0%}]"


def _short(time: str) -> str:
    return time[:19].replace("T", " ")


def _say(console: Console, style: str, line: str) -> None:
    console.print(text(line), style=style or None, highlight=False, soft_wrap=True)
