"""What people say of incidents: into the store, and into the folder that training reads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec

from stages.verdicts.verdict_file import Said as Learned
from stages.verdicts.verdict_file import Verdict as Label
from stream.incidents.incident import Incident, IncidentQuery, Verdict
from stream.incidents.store import IncidentStore, StoreUnavailableError
from stream.incidents.verdicts.tracks import track_of
from stream.incidents.verdicts.verdict_folder import VerdictFolder
from stream.recording.clips import Clip
from stream.recording.library import RESULTS, ClipLibrary
from stream.results import ClipReady, Message, about
from stream.settings.incidents.incidents import IncidentsConfig
from stream.settings.incidents.verdicts import VerdictsConfig
from stream.settings.privacy.modes import PrivacyMode

logger = logging.getLogger(__name__)

MOST_WITHOUT_CLIP = 1000
"""Verdicts that wait for their clip; the earliest are given up, because their clips are never recorded."""

PAGE = 1000
"""Incidents that are read at once."""

Why = Literal["no-such-incident", "nothing-to-learn", "private", "no-clip", "no-track"]


class Outcome(msgspec.Struct, frozen=True):
    """What became of a verdict on one incident."""

    id: Annotated[str, about("The incident's id.")]
    saved: Annotated[bool, about("Whether the incident now has this verdict.")]
    learned: Annotated[bool, about("Whether training can learn from it: it is in the folder of verdicts.")]
    why: Annotated[
        Why | None,
        about(
            "Why it was not saved (`no-such-incident`), or why training cannot learn from it: `nothing-to-learn` (it "
            "is skipped or has no action), `private` (the camera is in skeleton mode), `no-clip` (no clip shows it, or "
            "not yet), `no-track` (the clip does not show the person). Null if training can."
        ),
    ]
    incident: Annotated[Incident | None, about("The incident as it is now; null if there is none.")]


class Said(NamedTuple):
    """A verdict and who gives it. `truth` is the true action of `really`. Without `verdict`: it is taken back."""

    verdict: Verdict | None
    truth: str | None
    by: str


class VerdictsUnwritableError(Exception):
    """A verdict could not be written; the incident keeps the one that it had. The argument says why.

    `done` are those that were saved before.
    """

    def __init__(self, why: str, done: Sequence[Outcome]) -> None:
        super().__init__(why)
        self.done = done


class VerdictDesk:
    """The verdicts on the incidents of a store. Thread-safe; `say` blocks.

    `library`: the clips, if they are recorded.
    """

    def __init__(
        self,
        store: IncidentStore,
        folder: VerdictFolder,
        library: ClipLibrary | None,
        privacy_of: Callable[[str], PrivacyMode] = lambda camera: "off",
    ) -> None:
        """`privacy_of` returns how much is hidden of a camera now."""
        self.store = store
        self.folder = folder
        self._library = library
        self._privacy_of = privacy_of
        self._lock = threading.Lock()
        self._without_clip: dict[str, None] = {}
        """The ids of incidents whose verdict came before their clip was complete, the earliest first."""

    def start(self) -> None:
        """Keep, in a thread, the clips of verdicts that an earlier run was given before the clips were complete."""
        if self._library is not None:
            threading.Thread(
                target=self._learn_earlier, args=(self._library,), name="earlier verdicts", daemon=True
            ).start()

    def say(self, ids: Sequence[str], said: Said, sees: Callable[[str], bool] = lambda camera: True) -> list[Outcome]:
        """Set the verdict of these incidents, and return what became of each.

        Incidents of cameras that the caller does not see are treated as if they did not exist. A verdict that an
        incident already has changes nothing, except that a clip that was missing is kept. Raises
        `VerdictsUnwritableError`.
        """
        done: list[Outcome] = []
        with self._lock:
            for name in dict.fromkeys(ids):
                try:
                    incident = self.store.get(name)
                    visible = incident is not None and sees(incident.camera)
                    done.append(
                        self._say(incident, said)
                        if incident is not None and visible
                        else Outcome(name, False, False, "no-such-incident", None)
                    )
                except StoreUnavailableError as error:
                    raise VerdictsUnwritableError(str(error), done) from None
                except OSError as error:
                    raise VerdictsUnwritableError(error.strerror or str(error), done) from None
                finally:
                    self.folder.delete_unused()
        return done

    def take(self, topic: str, message: Message) -> None:
        """Take a published message; never blocks. Verdicts that came before their clip are then kept for training."""
        if isinstance(message, ClipReady) and self._without_clip:
            threading.Thread(target=self._learn_later, args=(message,), name="verdicts", daemon=True).start()

    def _learn_earlier(self, library: ClipLibrary) -> None:
        library.opened.wait()
        clips: dict[tuple[str, str, int], list[Clip]] = {}
        for clip in library.clips():
            clips.setdefault((clip.run, clip.camera, clip.epoch), []).append(clip)
        failed, why = 0, ""
        try:
            for incident in self._judged():
                try:
                    self._learn_again(incident.id, clips)
                except OSError as error:
                    failed, why = failed + 1, error.strerror or str(error)
        except StoreUnavailableError as error:
            logger.error("verdicts: those without a clip cannot be looked for: %s", error)
        if failed:
            logger.error("verdicts: %d cannot be kept for training: %s", failed, why)

    def _judged(self) -> Iterator[Incident]:
        """Yield the incidents with a verdict that training could learn from, but has no label of."""
        for verdict in get_args(Learned):
            page = IncidentQuery(verdict=verdict, limit=PAGE)
            while found := self.store.find(page):
                yield from (one for one in found if not self.folder.has_label(one.id))
                page = replace(page, before=(found[-1].began_us, found[-1].id))

    def _learn_again(self, name: str, clips: Mapping[tuple[str, str, int], Sequence[Clip]]) -> None:
        """Keep the clip of a verdict. The store may not know it: it was complete when the engine was killed."""
        with self._lock:
            incident = self.store.get(name)
            if incident is None or incident.verdict is None:
                return
            if incident.clip is None:
                at_us = incident.media_time_us
                shows = (
                    clip.name
                    for clip in clips.get((incident.run, incident.camera, incident.epoch), ())
                    if at_us is not None and clip.start_media_time_us <= at_us <= clip.end_media_time_us
                )
                incident = msgspec.structs.replace(incident, clip=next(shows, None))
            if incident.clip is not None:
                try:
                    self._say(incident, Said(incident.verdict, incident.truth, incident.by or ""))
                finally:
                    self.folder.delete_unused()

    def _learn_later(self, ready: ClipReady) -> None:
        with self._lock:
            for name in list(self._without_clip):
                try:
                    incident = self.store.get(name)
                    if incident is None or incident.verdict is None:
                        self._without_clip.pop(name, None)
                    elif _shows(ready, incident):
                        incident = msgspec.structs.replace(incident, clip=ready.clip)
                        self._say(incident, Said(incident.verdict, incident.truth, incident.by or ""))
                except StoreUnavailableError as error:
                    logger.error("verdicts: %s cannot be kept for training: %s", name, error)
                except OSError as error:
                    logger.error("verdicts: %s cannot be kept for training: %s", name, error.strerror)
            self.folder.delete_unused()

    def counts(self) -> tuple[int, int]:
        """Return the numbers of verdicts for training and of their clips. Blocks. Raises OSError."""
        with self._lock:
            return self.folder.counts()

    def _say(self, incident: Incident, said: Said) -> Outcome:
        verdict, truth = said.verdict, said.truth
        if verdict == "really" and truth == incident.action:
            verdict = "right"
        truth = {"right": incident.action, "really": truth}.get(verdict or "")
        changes = (verdict, truth) != (incident.verdict, incident.truth)
        at_us = time.time_ns() // 1000 if changes or incident.at_us is None else incident.at_us
        by = said.by if changes or incident.by is None else incident.by
        before = self.folder.get(incident.id)
        why = self._learn(incident, verdict, truth, by, at_us, before)
        self._without_clip.pop(incident.id, None)
        if why == "no-clip":
            self._without_clip[incident.id] = None
            if len(self._without_clip) > MOST_WITHOUT_CLIP:
                del self._without_clip[next(iter(self._without_clip))]
        if changes:
            try:
                incident = self._store(incident, verdict, truth, by, at_us)
            except StoreUnavailableError:
                self.folder.restore(incident.id, before)
                raise
        return Outcome(incident.id, True, why is None and verdict is not None, why, incident)

    def _store(self, incident: Incident, verdict: Verdict | None, truth: str | None, by: str, at_us: int) -> Incident:
        (now,) = self.store.set_verdict([incident.id], verdict, truth, by, at_us)
        was = {"verdict": incident.verdict, "truth": incident.truth, "by": incident.by, "at_us": incident.at_us}
        self.folder.log(
            {
                "at_us": at_us,
                "by": by,
                "id": incident.id,
                "camera": incident.camera,
                "before": was if incident.verdict is not None else None,
                "after": {"verdict": verdict, "truth": truth} if verdict is not None else None,
            }
        )
        return now

    def _learn(
        self,
        incident: Incident,
        verdict: Verdict | None,
        truth: str | None,
        by: str,
        at_us: int,
        before: Label | None,
    ) -> Why | None:
        """Write the label for training, or remove it. Return why there is none."""
        learned: Learned | None = verdict if verdict in ("right", "wrong", "really") else None
        if learned is None or incident.action is None or incident.track is None:
            self.folder.remove(incident.id)
            return None if verdict is None else "nothing-to-learn"
        clip, recorded = self._clip(incident)
        if self._privacy_of(incident.camera) == "skeleton" or (clip is not None and clip.privacy == "skeleton"):
            self.folder.remove(incident.id)
            return "private"
        content = {"verdict": learned, "truth": truth, "by": by, "at_us": at_us}
        if before is not None and self.folder.has_clip(before.clip):  # the recorder may have deleted its own
            self.folder.put(msgspec.structs.replace(before, **content), self.folder.directory)
            return None
        if clip is None:
            return "no-clip"
        try:
            found = track_of(incident, clip, recorded / (clip.name + RESULTS))
            if found is None:
                return "no-track"
            model = incident.model
            label = Label(
                id=incident.id,
                clip=clip.name,
                camera=incident.camera,
                epoch=incident.epoch,
                track=incident.track,
                said=incident.action,
                model="" if model is None else f"{model.profile} {model.weights}".strip(),
                **found._asdict(),
                **content,
            )
            self.folder.put(label, recorded)
        except FileNotFoundError:
            return "no-clip"  # deleted to make room meanwhile
        return None

    def _clip(self, incident: Incident) -> tuple[Clip | None, Path]:
        library = self._library
        if library is None or incident.clip is None:
            return None, Path()
        clip = library.clip(incident.clip)
        same = clip is not None and (clip.run, clip.camera, clip.epoch) == (
            incident.run,
            incident.camera,
            incident.epoch,
        )
        return (clip if same else None), library.directory


def _shows(ready: ClipReady, incident: Incident) -> bool:
    """Return whether a clip shows the begin of an incident."""
    return (
        (ready.run, ready.camera, ready.epoch) == (incident.run, incident.camera, incident.epoch)
        and incident.media_time_us is not None
        and ready.start_media_time_us <= incident.media_time_us <= ready.end_media_time_us
    )


def make_desk(
    store: IncidentStore | None,
    incidents: IncidentsConfig,
    config: VerdictsConfig,
    library: ClipLibrary | None,
    privacy_of: Callable[[str], PrivacyMode],
) -> VerdictDesk | None:
    """Return the desk for a store; None without one."""
    if store is None or incidents.directory is None:
        return None
    directory = config.directory or incidents.directory / "verdicts"
    return VerdictDesk(store, VerdictFolder(directory, config), library, privacy_of)
