"""The vocabulary of a folder's own labels."""

from __future__ import annotations

from collections.abc import Iterator

from stages.vocabulary import PARTS, Vocabulary
from training.annotated_videos.known_people import KnownFrames, KnownPerson
from training.kinetics_tps import Lists, Seen


class OwnLabels:
    """Counts of what the people in a folder do.

    Its vocabulary has the ten parts that the detector's keypoints give, whatever the list of parts has, and only
    actions that occur, because an output without examples learns nothing.
    """

    def __init__(self) -> None:
        self._of_video: dict[str, Seen] = {}

    def add(self, video: str, action: str, known: KnownFrames) -> None:
        """Count one video: its class, and what each person does."""
        seen = self._of_video[video] = Seen()
        seen.actions[action] += 1
        for person in _people(known):
            if person.action is not None:
                seen.actions[person.action] += 1
            for part, labels in person.states.items():
                seen.states.update((part, label) for label in labels)

    def leave_out(self, video: str) -> None:
        """Remove a video from the counts."""
        self._of_video.pop(video, None)

    def vocabulary(self, lists: Lists) -> Vocabulary:
        """Return the vocabulary: actions sorted, states in the list's order. Raises `DatasetError` without videos."""
        every = Seen()
        for seen in self._of_video.values():
            every.actions.update(seen.actions)
            every.states.update(seen.states)
        return every.vocabulary(Lists(PARTS, lists.verbs, lists.objects))


def _people(known: KnownFrames) -> Iterator[KnownPerson]:
    return (person for frame in known.values() for person in frame)
