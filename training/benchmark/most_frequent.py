"""The baseline of always answering with the most frequent labels: `python -m training.benchmark.most_frequent --help`.

It keeps a prediction's boxes; every video gets the most frequent class of the training videos, and every part its most
frequent state. A model should score better than this baseline in `partstream evaluate`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from training.benchmark.submissions.submission import PREDICTION_FILES
from training.kinetics_tps import Dataset, DatasetError, Seen, Video
from training.kinetics_tps.write import write_whole

VIDEOS, PARTS = PREDICTION_FILES


def most_frequent(videos: Iterable[Video]) -> tuple[str, dict[str, str]]:
    """Return the class of most videos and each part's most frequent state; ties go to the first in the alphabet.

    Raises ValueError without videos.
    """
    seen = Seen(videos)
    if not seen.actions:
        raise ValueError("the most frequent answers come from training videos, and there is none")
    of_part: dict[str, Counter[str]] = {}
    for (part, verb), times in seen.states.items():
        of_part.setdefault(part, Counter())[verb] += times
    return _most(seen.actions), {part: _most(verbs) for part, verbs in of_part.items()}


def with_verbs(prediction: dict[str, Any], verbs: dict[str, str]) -> dict[str, Any]:
    """Replace the verbs in the content of `pred_part_result.json`, in place, and return it."""
    for frames in prediction.values():
        for frame in frames.values():
            for person in frame["humans"]:
                for name, part in person["parts"].items():
                    part["verb"] = [verbs.get(name, verb) for verb in part["verb"]]
    return prediction


def _most(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def _command(
    data: Annotated[Path, typer.Option(metavar="DIR", help="The training data set.")],
    pred: Annotated[Path, typer.Option(metavar="DIR", help="The output folder of `partstream predict`.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder for the same boxes with these answers.")],
) -> None:
    """Write a prediction that always gives the most frequent answers."""
    try:
        action, verbs = most_frequent(Dataset(data).train())
        videos, parts = (json.loads((pred / name).read_bytes()) for name in (VIDEOS, PARTS))
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / VIDEOS, json.dumps(dict.fromkeys(videos, action)).encode())
        write_whole(out / PARTS, json.dumps(with_verbs(parts, verbs)).encode())
    except (DatasetError, OSError, ValueError) as error:
        typer.echo(f"partstream: {error}", err=True)
        raise typer.Exit(2) from None
    states = ", ".join(f"{part} {verb}" for part, verb in sorted(verbs.items()))
    typer.echo(f"{out}: every video {action}; {states}")


if __name__ == "__main__":
    typer.run(_command)
