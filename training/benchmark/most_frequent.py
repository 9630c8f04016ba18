"""What always giving the most frequent answer would score: `python -m training.benchmark.most_frequent --help`.

Takes a prediction and keeps its boxes: every video gets the class that most training videos have, and every part the
state that it has most often in training. `partstream evaluate` of it is what a model must be better than.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from training.benchmark.submission import PREDICTION_FILES
from training.kinetics_tps import Dataset, DatasetError, Seen, Video
from training.kinetics_tps.write import write_whole

VIDEOS, PARTS = PREDICTION_FILES


def most_frequent(videos: Iterable[Video]) -> tuple[str, dict[str, str]]:
    """The class of most videos, and each part's most frequent state; of equals the first by the alphabet. Raises
    ValueError where there is no video."""
    seen = Seen(videos)
    if not seen.actions:
        raise ValueError("no training video was seen, and the most frequent answer is theirs")
    of_part: dict[str, Counter[str]] = {}
    for (part, verb), times in seen.states.items():
        of_part.setdefault(part, Counter())[verb] += times
    return _most(seen.actions), {part: _most(verbs) for part, verbs in of_part.items()}


def answered_so(prediction: dict[str, Any], verbs: dict[str, str]) -> dict[str, Any]:
    """`pred_part_result.json` with those verbs instead of its own, in place."""
    for frames in prediction.values():
        for frame in frames.values():
            for person in frame["humans"]:
                for name, part in person["parts"].items():
                    part["verb"] = [verbs.get(name, verb) for verb in part["verb"]]
    return prediction


def _most(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def _command(
    data: Annotated[Path, typer.Option(metavar="DIR", help="The data set that was trained on.")],
    pred: Annotated[Path, typer.Option(metavar="DIR", help="What `partstream predict` wrote.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the same boxes go with the most frequent answers.")],
) -> None:
    """Write the prediction that always answers what is most frequent."""
    try:
        action, verbs = most_frequent(Dataset(data).train())
        videos, parts = (json.loads((pred / name).read_bytes()) for name in (VIDEOS, PARTS))
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / VIDEOS, json.dumps(dict.fromkeys(videos, action)).encode())
        write_whole(out / PARTS, json.dumps(answered_so(parts, verbs)).encode())
    except (DatasetError, OSError, ValueError) as error:
        typer.echo(f"partstream: {error}", err=True)
        raise typer.Exit(2) from None
    said = ", ".join(f"{part} {verb}" for part, verb in sorted(verbs.items()))
    typer.echo(f"{out}: every video {action}; {said}")


if __name__ == "__main__":
    typer.run(_command)
