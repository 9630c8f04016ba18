"""`partstream footage score --data`: score a checkpoint on the sets of a data folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.ending import EXIT_USAGE, error_console, exiting, plain_console, printable, say
from commands.json_file import write_json
from commands.models.footage_tables import show_films, show_precision, show_sequences

if TYPE_CHECKING:
    from stages.checkpoint import Checkpoint
    from training.scoring.figures import FilmFigures, FrameFigures
    from training.scoring.film_sets import FilmSet, WatchedSet
    from training.scoring.sequence_sets import SequenceFigures, SequenceSet


@dataclass(frozen=True, slots=True)
class DataScoring:
    """What to score: a checkpoint on sets of a data folder, None for those to choose a checkpoint on.

    `cache`: the folder of watched videos, None for the user's cache.
    """

    data: Path
    sets: Sequence[str] | None
    profile: str
    device: str
    detector_size: tuple[int, int] | None
    smoothed: bool
    workers: int
    cache: Path | None = None


def score_data(chosen: DataScoring, out: Path | None) -> None:
    """Score, print, and write figures to `out`.

    Raises `ScoringError` and `DataFolderError` for arguments and files that cannot be used, and `WeightsError`.
    """
    from stages.profiles import choose_device, load_checkpoint
    from training.scoring.figures import FrameFigures, film_figures
    from training.scoring.film_sets import answered_films
    from training.scoring.sequence_sets import score_sequences

    films, sequences = chosen_sets(chosen.data, chosen.sets)
    with exiting({ValueError: EXIT_USAGE}):
        device = choose_device(chosen.device)
    checkpoint = load_checkpoint(chosen.profile, device)
    say(f"{chosen.profile} ({checkpoint.sha256[:19]}…)")
    scores: list[FilmFigures] = []
    for watched in _watch(chosen, films, checkpoint) if films else ():
        answered = answered_films(checkpoint, watched)
        scores.append(film_figures(watched.chosen.name, answered, watched.chosen.macro, smoothed=chosen.smoothed))
        show_films(scores[-1], plain_console)
        if watched.skipped:
            words = f"{watched.chosen.name}: not scored: {', '.join(watched.skipped)}"
            error_console.print(printable(words), markup=False)
    pooled = FrameFigures("all videos", tuple(one for score in scores for one in score.frames.judged))
    if len(scores) > 1:
        show_precision(pooled, plain_console, pooled.name)
    moved: list[SequenceFigures] = []
    for one in sequences:
        moved.append(score_sequences(checkpoint, chosen.data, one))
        show_sequences(moved[-1], plain_console)
    write_json(out, _content(chosen, checkpoint, scores, pooled, moved), [Path(chosen.profile)])


def chosen_sets(data: Path, names: Sequence[str] | None) -> tuple[list[FilmSet], list[SequenceSet]]:
    """Return the sets of these names, or those to choose a checkpoint on that the data folder has.

    Raises `ScoringError` for a name that is none of them, and if there is nothing to score.
    """
    from training.scoring import film_sets, sequence_sets
    from training.scoring.film_sets import ScoringError

    wanted = dict.fromkeys(names or [one.name for one in (*film_sets.CHOOSING, *sequence_sets.CHOOSING)])
    sequences = {name: found for name in wanted if (found := sequence_sets.sequence_set(data, name))}
    films = {name: found for name in wanted if (found := film_sets.film_set(data, name))}
    lacking = [name for name in wanted if name not in films and name not in sequences]
    if lacking and (names or len(lacking) == len(wanted)):
        known = (*film_sets.CHOOSING, *sequence_sets.CHOOSING, *film_sets.JUDGING, *sequence_sets.JUDGING)
        raise ScoringError(
            f"{data}: has nothing for {', '.join(lacking)}; sets are {', '.join(one.name for one in known)}, and the "
            f"folders in {data / 'video'}"
        )
    return list(films.values()), list(sequences.values())


def _watch(chosen: DataScoring, films: Sequence[FilmSet], checkpoint: Checkpoint) -> list[WatchedSet]:
    from training.console.progress_bar import progress_bar
    from training.scoring.film_sets import watched_sets

    with progress_bar("analysing videos") as progress:
        return watched_sets(
            chosen.data,
            films,
            checkpoint,
            detector_size=chosen.detector_size,
            workers=chosen.workers,
            progress=progress,
            cache=chosen.cache,
        )


def _content(
    chosen: DataScoring,
    checkpoint: Checkpoint,
    scores: Sequence[FilmFigures],
    pooled: FrameFigures,
    sequences: Sequence[SequenceFigures],
) -> dict[str, Any]:
    return {
        "profile": checkpoint.profile,
        "weights": checkpoint.sha256,
        "vocabulary": list(checkpoint.vocabulary.actions),
        "detector_size": chosen.detector_size,
        "smoothed": chosen.smoothed,
        "films": {score.frames.name: score.as_json() for score in scores},
        "all_films": {"at_least": pooled.as_json()["at_least"]},
        "sequences": {one.last.name: one.as_json() for one in sequences},
    }
