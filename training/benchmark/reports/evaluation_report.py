"""The report of an evaluation: one self-contained HTML page without scripts.

Plots are SVG (`evaluation_plots`), each beside a table of its numbers; colours follow the reader's light or dark
setting. Every name from the result files is escaped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from training.benchmark.observed_answers import SHARES, Recognition
from training.benchmark.reports import evaluation_plots as plots
from training.benchmark.reports.evaluation_summary import THRESHOLDS, PartTally, Summary

_CONFUSIONS_SHOWN = 20
_CLASSES_BESIDE = 8
"""With more classes, the confusion matrix has the page's full width."""

Cell = str | int | float | None
"""Text, a count, a share from 0 to 1, or nothing."""


def write_report(summary: Summary, path: Path, *, truth: str, prediction: str) -> None:
    """Write the page atomically. `truth` and `prediction` are the names to show for the two. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(render(summary, truth=truth, prediction=prediction), encoding="utf-8", errors="replace")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def render(summary: Summary, *, truth: str, prediction: str) -> str:
    """Return the page."""
    sections = [
        _section(
            "Score",
            "The score is the area under this curve: for each threshold on Part State Correctness (PSC), the share of "
            "videos with the correct class whose PSC reaches it.",
            plots.accuracy_curve(summary),
            _table(
                ["PSC at least", "accuracy"],
                [[f"{t:.1f}", a] for t, a in zip(THRESHOLDS, _floats(summary.accuracy_at))],
            ),
        ),
    ]
    if summary.parts:
        sections += [
            _section(
                "Parts",
                "A part is correct if its person is found (IoU above 0.5), and a proposed box matches it (IoU at least "
                "0.3) and has its state. Correctness counts a correct part as 1 divided by the number of its proposed "
                "states.",
                plots.part_bars(summary),
                _tallies("part", summary.parts),
            ),
            _section(
                "Part states", "The same figures by true state, most frequent first.", _tallies("state", summary.states)
            ),
        ]
    matrix, beside = plots.confusion_matrix(summary), len(summary.actions) <= _CLASSES_BESIDE
    sections.append(
        _section(
            "Classes",
            "Videos by true and predicted class. Area is the score of the class's videos alone.",
            *((matrix,) if beside else ()),
            _actions(summary),
            _confusions(summary),
            above="" if beside else matrix,
        )
    )
    if summary.recognition is not None:
        sections += _over_time(summary.recognition, len(summary.videos))
    sections.append(_videos(summary))
    return _PAGE.format(
        title=escape(f"Evaluation of {prediction}"),
        names=f"against {escape(truth)}",
        style=_STYLE,
        figures=_figures(summary),
        warnings=_warnings(summary.warnings),
        sections="\n".join(sections),
    )


def _figures(summary: Summary) -> str:
    recognition = summary.recognition
    shown = [
        ("score (area)", f"{summary.area:.4f}"),
        ("videos with the correct class", f"{summary.video_accuracy:.1%}"),
        ("mean PSC", f"{summary.mean_psc:.3f}"),
        ("people found", f"{summary.people_matched / summary.people:.1%}" if summary.people else "–"),
        ("videos", f"{len(summary.videos):,}"),
        ("scored frames", f"{summary.frames:,}"),
    ]
    if recognition is not None:
        shown.insert(3, ("median time to the correct class", _seconds(recognition.settled_after(0.5))))
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown)


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return f'<ul class="warnings">{"".join(f"<li>{escape(text)}</li>" for text in warnings)}</ul>'


def _tallies(kind: str, tallies: dict[str, PartTally]) -> str:
    rows = [
        [name, t.count, t.person_matched / t.count, t.located / t.count, t.right / t.count, t.correctness]
        for name, t in tallies.items()
    ]
    return _table([kind, "number", "person found", "box correct", "state correct", "correctness"], rows)


def _actions(summary: Summary) -> str:
    rows = [
        [name, t.videos, t.right / t.videos, f"{t.mean_psc:.3f}", f"{t.area:.4f}"]
        for name, t in summary.actions.items()
    ]
    return _table(["class", "videos", "correct", "mean PSC", "area"], rows)


def _confusions(summary: Summary) -> str:
    wrong = [
        (videos, action, answer)
        for action, answers in summary.confusion().items()
        for answer, videos in answers.items()
        if answer != action
    ]
    if not wrong:
        return "<p>Every video has the correct class.</p>"
    wrong.sort(key=lambda entry: -entry[0])
    rows = [[action, answer, videos] for videos, action, answer in wrong[:_CONFUSIONS_SHOWN]]
    return _table(["true class", "predicted as", "videos"], rows, names=2)


def _over_time(recognition: Recognition, videos: int) -> list[str]:
    settled = int(np.isfinite(recognition.settled_s).sum())
    return [
        _section(
            "While watching",
            "Share of the videos whose answer is correct after that share of the video has been observed.",
            plots.accuracy_by_share(recognition),
            _table(
                ["observed", "accuracy"],
                [[f"{SHARES[row]:.0%}", float(recognition.accuracy[row])] for row in range(0, 101, 10)],
            ),
        ),
        _section(
            "Time until the class stays correct",
            f"{settled:,} of {videos:,} videos end with the correct class; the others count as infinite.",
            plots.settling_curve(recognition),
            _table(
                ["share of all videos", "correct from"],
                [
                    [f"{share} %", _seconds(recognition.settled_after(share / 100))]
                    for share in (10, 25, 50, 75, 90, 95)
                ],
            ),
        ),
    ]


def _videos(summary: Summary) -> str:
    ordered = sorted(summary.videos, key=lambda video: (video.right, video.psc))
    rows = [[v.video, v.action, v.answer, "correct" if v.right else "wrong", f"{v.psc:.4f}"] for v in ordered]
    table = _table(["video", "true class", "predicted", "class", "PSC"], rows, names=3)
    return (
        f"<section><h2>Videos</h2><details><summary>All videos, worst first ({len(rows):,})</summary>{table}"
        "</details></section>"
    )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"


def _floats(values: Iterable[float]) -> list[float]:
    return [float(value) for value in values]


def _section(title: str, text: str, *beside: str, above: str = "") -> str:
    columns = "".join(f"<div>{block}</div>" for block in beside)
    wide = f'<div class="wide">{above}</div>' if above else ""
    return f'<section><h2>{title}</h2><p>{text}</p>{wide}<div class="beside">{columns}</div></section>'


def _table(head: Sequence[str], rows: Iterable[Sequence[Cell]], names: int = 1) -> str:
    """Return a table whose first `names` columns are text from the result files; shares have a bar behind them."""
    titles = "".join(f"<th{_left(column < names)}>{title}</th>" for column, title in enumerate(head))
    body = "".join(
        f"<tr>{''.join(_cell(value, column < names) for column, value in enumerate(row))}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Cell, left: bool) -> str:
    if isinstance(value, float):
        return f'<td class="share" style="--share:{value:.1%}">{value:.1%}</td>'
    text = f"{value:,}" if isinstance(value, int) else escape(value or "")
    return f"<td{_left(left)}>{text}</td>"


def _left(left: bool) -> str:
    return ' class="name"' if left else ""


_STYLE = """
:root { color-scheme: light dark; --page:#fff; --ink:#1d2430; --soft:#5b6675; --faint:#d5dae1; --full:#1769aa;
  --middle:#79b4dd; --light:#d3e5f3; --wrong:#c8501e; --shade:#eef4f9; --warn:#fff4d6; }
@media (prefers-color-scheme: dark) { :root { --page:#14181e; --ink:#e4e8ee; --soft:#9aa5b4; --faint:#39424f;
  --full:#5fb0ee; --middle:#2f72a6; --light:#27435b; --wrong:#f08a5b; --shade:#1d2833; --warn:#3a3115; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto;
  max-width: 1120px; padding: 24px; overflow-wrap: anywhere; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 18px; margin: 0 0 4px; } h3 { font-size: 15px; margin: 20px 0 4px; }
header p, section > p { color: var(--soft); margin: 0 0 12px; max-width: 75ch; }
section { border-top: 1px solid var(--faint); padding: 20px 0; }
dl { display: flex; flex-wrap: wrap; gap: 8px 36px; margin: 20px 0; }
dt { color: var(--soft); font-size: 13px; } dd { font-size: 24px; margin: 0; }
.warnings { background: var(--warn); border-radius: 6px; padding: 10px 10px 10px 30px; margin: 0 0 20px; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr)); gap: 12px 32px;
  align-items: start; }
.scroll { overflow-x: auto; }
svg { max-width: 100%; height: auto; } svg text { font-family: inherit !important; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
th, td { padding: 3px 8px; text-align: right; border-bottom: 1px solid var(--faint); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; white-space: normal; vertical-align: bottom; }
.name { text-align: left; white-space: normal; min-width: 6em; }
.share { background: linear-gradient(to right, var(--middle) var(--share), var(--light) 0) 0 100%/100% 3px no-repeat; }
.wide svg { display: block; margin: 0 auto 12px; }
summary { cursor: pointer; }
@media print { body { max-width: none; } }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p>{names}</p></header>
<dl>{figures}</dl>
{warnings}
{sections}
</body>
</html>
"""
