"""What people say of incidents: into the store, and into the folder that training reads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec

from ring_buffers.doorbell import Doorbell
from stages.verdicts.verdict_file import Said as Learned
from stages.verdicts.verdict_file import Verdict as Label
from stream import file_lock
from stream.incidents.incident import Incident, IncidentQuery, Verdict
from stream.incidents.store import IncidentStore, StoreUnavailableError
from stream.incidents.verdicts.late_clips import LateClips
from stream.incidents.verdicts.tracks import track_of
from stream.incidents.verdicts.verdict_folder import VerdictFolder
from stream.privacy.known_privacy import KnownPrivacy
from stream.recording.clips import Clip
from stream.recording.library import RESULTS, ClipLibrary
from stream.results import ClipReady, Message, about
from stream.settings.config_error import ConfigError
from stream.settings.recording import IncidentsConfig, VerdictsConfig

logger = logging.getLogger(__name__)

PAGE = 1000
"""Incidents that are read at once."""
CLOSING_S = 0.5
"""Interval at which a worker that waits for the recorder looks whether the desk is closed."""

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

    One worker reads the folder, and keeps the clips of verdicts that were given before their clips were complete. It
    and `say` take turns, incident by incident. `library`: the clips, if they are recorded.
    """

    def __init__(
        self,
        store: IncidentStore,
        folder: VerdictFolder,
        library: ClipLibrary | None,
        privacy: KnownPrivacy | None = None,
    ) -> None:
        self.store = store
        self.folder = folder
        self._library = library
        self._privacy = privacy or KnownPrivacy()
        self._lock = threading.Lock()
        """For one incident at a time."""
        self._late = LateClips()
        self._bell = Doorbell()
        self._worker = threading.Thread(target=self._work, name="verdict clips", daemon=True)
        self._closed = False

    def start(self) -> None:
        """Start the worker. Blocks. Raises `ConfigError` if another engine uses the folder."""
        try:
            self.folder.hold()
        except file_lock.InUseError as error:
            raise ConfigError(
                f"verdicts.directory: {self.folder.directory}: {error.strerror}, another engine: set another directory"
            ) from None
        except OSError as error:  # the folder is tried again for each verdict
            logger.error("verdicts: %s cannot be used: %s", self.folder.directory, error.strerror)
        self._worker.start()

    def close(self, within_s: float = 0.1) -> None:
        """Stop the worker; after `within_s` seconds, it is not waited for. May be called again."""
        self._closed = True
        self._bell.ring()
        if self._worker.ident is not None:
            self._worker.join(within_s)
        self.folder.close()

    def say(self, ids: Sequence[str], said: Said, sees: Callable[[str], bool] = lambda camera: True) -> list[Outcome]:
        """Set the verdict of these incidents, and return what became of each.

        Incidents of cameras that the caller does not see are treated as if they did not exist. A verdict that an
        incident already has changes nothing, except that a clip that was missing is kept. Raises
        `VerdictsUnwritableError`.
        """
        done: list[Outcome] = []
        for name in dict.fromkeys(ids):
            try:
                with self._lock:
                    incident = self.store.get(name)
                    if incident is not None and sees(incident.camera):
                        done.append(self._say(incident, said))
                    else:
                        done.append(_no_such_incident(name))
            except StoreUnavailableError as error:
                raise VerdictsUnwritableError(str(error), done) from None
            except OSError as error:
                raise VerdictsUnwritableError(error.strerror or str(error), done) from None
            if done[-1].why == "no-clip":
                with self._lock:
                    self._late.look_at_recent(name)
                self._bell.ring()
        return done

    def take(self, topic: str, message: Message) -> None:
        """Take a published message; never blocks. Verdicts that came before their clip are then kept for training."""
        if isinstance(message, ClipReady):
            self._late.take(message)
            self._bell.ring()

    def read_folder(self) -> None:
        """Let the worker try again to read the folder, if it could not be read."""
        self._bell.ring()

    # -- the worker ---------------------------------------------------------------------------------------------
    def _work(self) -> None:
        while not self._closed:
            try:
                self._read_folder()
                self._keep_clips()
            except Exception:  # a bug; the engine does not depend on this thread
                logger.exception("internal error while the clips of verdicts were kept")
            self._bell.wait()

    def _read_folder(self) -> None:
        before = self.folder.message
        try:
            with self._lock:
                self.folder.read()
        except OSError:
            if self.folder.message != before:
                logger.error("verdicts: %s", self.folder.message)

    def _keep_clips(self) -> None:
        library = self._library
        if library is None:
            return
        while not library.opened.wait(CLOSING_S):
            if self._closed:
                return
        while not self._closed:
            if self._late.look_through:
                self._late.look_through = False
                self._learn_earlier(library)
            elif (ready := self._late.next()) is not None:
                self._learn_later(ready)
            else:
                return

    def _learn_earlier(self, library: ClipLibrary) -> None:
        clips: dict[tuple[str, str, int], list[Clip]] = {}
        for clip in library.clips():
            clips.setdefault((clip.run, clip.camera, clip.epoch), []).append(clip)
        failed, why = 0, ""
        try:
            for incident in self._judged():
                if self._closed:
                    return
                try:
                    self._learn_again(incident.id, clips)
                except OSError as error:
                    failed, why = failed + 1, error.strerror or str(error)
        except StoreUnavailableError as error:
            logger.error("verdicts: looking for those without a clip failed: %s", error)
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
                self._say(incident, Said(incident.verdict, incident.truth, incident.by or ""))

    def _learn_later(self, ready: ClipReady) -> None:
        with self._lock:
            shown = self._late.shown_by(ready)
        for name in shown:
            try:
                with self._lock:
                    incident = self.store.get(name)
                    if incident is None or incident.verdict is None:
                        self._late.forget(name)
                    else:
                        incident = msgspec.structs.replace(incident, clip=ready.clip)
                        self._say(incident, Said(incident.verdict, incident.truth, incident.by or ""))
            except StoreUnavailableError as error:
                logger.error("verdicts: %s cannot be kept for training: %s", name, error)
            except OSError as error:
                logger.error("verdicts: %s cannot be kept for training: %s", name, error.strerror)

    # -- with the lock ------------------------------------------------------------------------------------------
    def _say(self, incident: Incident, said: Said) -> Outcome:
        try:
            outcome = self._change(incident, said)
        finally:
            self.folder.delete_unused()
        self._late.forget(incident.id)
        if outcome.why == "no-clip" and self._library is not None:
            self._late.wait(incident)
        return outcome

    def _change(self, incident: Incident, said: Said) -> Outcome:
        verdict, truth = said.verdict, said.truth
        if verdict == "really" and truth == incident.action:
            verdict = "right"
        truth = {"right": incident.action, "really": truth}.get(verdict or "")
        changes = (verdict, truth) != (incident.verdict, incident.truth)
        at_us = time.time_ns() // 1000 if changes or incident.at_us is None else incident.at_us
        by = said.by if changes or incident.by is None else incident.by
        before = self.folder.get(incident.id)
        why = self._learn(incident, verdict, truth, by, at_us, before)
        now: Incident | None = incident
        if changes:
            try:
                now = self._store(incident, verdict, truth, by, at_us)
            except StoreUnavailableError:
                self.folder.restore(incident.id, before)
                raise
        if now is None:
            self.folder.restore(incident.id, before)
            return _no_such_incident(incident.id)
        return Outcome(incident.id, True, why is None and verdict is not None, why, now)

    def _store(
        self, incident: Incident, verdict: Verdict | None, truth: str | None, by: str, at_us: int
    ) -> Incident | None:
        """Write the verdict to the store and the log. Return None if the incident was deleted meanwhile."""
        changed = self.store.set_verdict([incident.id], verdict, truth, by, at_us)
        if not changed:
            return None
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
        return changed[0]

    def _learn(
        self, incident: Incident, verdict: Verdict | None, truth: str | None, by: str, at_us: int, before: Label | None
    ) -> Why | None:
        """Write the label for training, or remove it. Return why there is none."""
        learned: Learned | None = verdict if verdict in ("right", "wrong", "really") else None
        why: Why | None = None
        if learned is not None:
            content = {"verdict": learned, "truth": truth, "by": by, "at_us": at_us}
            try:
                why = self._keep(incident, content, before)
            except FileNotFoundError:
                why = "no-clip"  # deleted to make room meanwhile
            except ValueError as error:  # for example, the action ends before it begins
                logger.error("verdicts: %s cannot be kept for training: %s", incident.id, error)
                why = "nothing-to-learn"
        elif verdict is not None:
            why = "nothing-to-learn"
        if learned is None or why is not None:
            self.folder.remove(incident.id)  # it would contradict the store
        return why

    def _keep(self, incident: Incident, content: Mapping[str, Any], before: Label | None) -> Why | None:
        """Write the label, with this content, and keep its clip. Return why that cannot be done.

        Raises FileNotFoundError if the clip is gone, and ValueError if the label would be invalid.
        """
        if incident.action is None or incident.track is None:
            return "nothing-to-learn"
        clip, recorded = self._clip(incident)
        if self._privacy.mode_of(incident.camera) == "skeleton":
            return "private"
        if clip is not None and (
            clip.privacy == "skeleton" or not self._privacy.permits(clip.camera, clip.privacy, clip.start_us)
        ):  # a drawing, or from before
            return "private"
        if before is not None and self.folder.has_clip(before.clip):  # the recorder may have deleted its own
            self.folder.put(msgspec.structs.replace(before, **content), self.folder.directory)
            return None
        if clip is None:
            return "no-clip"
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


def _no_such_incident(name: str) -> Outcome:
    return Outcome(name, False, False, "no-such-incident", None)


def make_desk(
    store: IncidentStore | None,
    incidents: IncidentsConfig,
    config: VerdictsConfig,
    library: ClipLibrary | None,
    privacy: KnownPrivacy,
) -> VerdictDesk | None:
    """Return the desk for a store; None without one."""
    if store is None or incidents.directory is None:
        if config.directory is not None:
            logger.warning("verdicts.directory: %s is not used without incidents.directory", config.directory)
        return None
    directory = config.directory or incidents.directory / "verdicts"
    return VerdictDesk(store, VerdictFolder(directory, config), library, privacy)
