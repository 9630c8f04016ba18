"""The vocabulary of a data set: the actions, and the states that its videos show of each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stages.vocabulary import PARTS, STILL, State, Vocabulary
from training.kinetics_tps.dataset import DatasetError, Video
from training.kinetics_tps.lists import Lists

OUTSIDE = "others"
"""The verb of a state outside the vocabulary: neither an output nor a target."""


class Seen:
    """Counts of what training videos show: `states[part, verb]` annotated parts, `actions[class]` videos."""

    def __init__(self, videos: Iterable[Video] = ()) -> None:
        self.states: Counter[tuple[str, str]] = Counter()
        self.actions: Counter[str] = Counter()
        for video in videos:
            self.add(video)

    def add(self, video: Video) -> None:
        """Count one video."""
        self.actions[video.action] += 1
        for frame in video.frames:
            for person in frame.people:
                self.states.update((part.name, part.verb) for part in person.parts.values())

    def vocabulary(self, lists: Lists) -> Vocabulary:
        """Return the vocabulary of what was seen.

        Parts: the listed ones of the part graph's ten, in its order (all ten without a list), then other listed parts.
        States: in the list's order, then alphabetical; every part can be still. Actions: alphabetical. Raises
        `DatasetError` if nothing was seen.
        """
        if not self.actions:
            raise DatasetError("the vocabulary comes from training videos, and there is none")
        listed = lists.parts or tuple(sorted({part for part, _ in self.states})) or PARTS
        parts = (*(part for part in PARTS if part in listed), *(part for part in listed if part not in PARTS))
        verbs_of: dict[str, set[str]] = {part: {STILL} for part in parts}
        for part, verb in self.states:
            state = State.parse(verb)
            if state.verb not in ("", OUTSIDE) and part in verbs_of:
                verbs_of[part].add(state.label)
        rank = {verb: at for at, verb in enumerate(lists.verbs)}
        verbs = sorted(set[str]().union(*verbs_of.values()), key=lambda verb: (rank.get(verb, len(rank)), verb))
        return Vocabulary(
            parts=parts,
            states=tuple(State.parse(verb) for verb in verbs),
            states_of={part: tuple(verb for verb in verbs if verb in verbs_of[part]) for part in parts},
            actions=tuple(sorted(self.actions)),
            ignored_verbs=(OUTSIDE,),
        )
