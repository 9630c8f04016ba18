"""Verdicts on incidents: in the store, and in the folder that training reads."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from msgspec.structs import replace

from stages.verdicts import verdict_file
from stages.verdicts.verdict_file import Verdict
from stream.incidents.store import IncidentStore, StoreUnavailableError
from stream.incidents.verdicts import late_clips, verdict_folder
from stream.incidents.verdicts.verdict_desk import Said, VerdictDesk, VerdictsUnwritableError, make_desk
from stream.incidents.verdicts.verdict_folder import VerdictFolder
from stream.privacy.known_privacy import KnownPrivacy
from stream.recording.clips import Clip
from stream.recording.library import ENDINGS, ClipLibrary
from stream.settings import files
from stream.settings.engine import CameraConfig
from stream.settings.recording import IncidentsConfig, VerdictsConfig
from support.incidents import alert, give
from support.reviewing import FRAME_US, S, box_at, fell, keep, library_at, ready, shown_files, store_at, write_recorded
from support.waiting import wait_until

RIGHT, WRONG, SKIP = Said("right", None, "anna"), Said("wrong", None, "anna"), Said("skip", None, "anna")
SIT, BACK = Said("really", "sit", "ben"), Said(None, None, "ben")
FIRST = "e0123abcd-1"
MASKED = {"masks": {"left": {"points": [[0, 0], [0.5, 0], [0.5, 1]]}}}


def known(**cameras: dict[str, Any]) -> KnownPrivacy:
    """Return what these settings hide of cameras."""
    return KnownPrivacy(
        CameraConfig.model_validate({"id": name, "source": "x.mp4", **one}) for name, one in cameras.items()
    )


class Desk:
    """A desk with two events of falls, and one of a kick, which has no clip."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clips = folder / "clips"
        self.verdicts = folder / "verdicts"
        self.store: IncidentStore = store_at(folder / "incidents")
        self.recorded = keep(self.store, self.clips, [fell(1), fell(2, "yard"), fell(3, label="kick")])
        self.library = library_at(self.clips)
        self.folder = VerdictFolder(self.verdicts, VerdictsConfig.model_validate({"least_free": 0, **settings}))
        self.desk = VerdictDesk(self.store, self.folder, self.library)

    def say(self, said: Said, *ids: str) -> list[tuple[bool, bool, str | None]]:
        return [(one.saved, one.learned, one.why) for one in self.desk.say(ids or (FIRST,), said)]

    def label(self, name: str = FIRST) -> Verdict | None:
        path = verdict_file.label_path(self.verdicts, name)
        return verdict_file.read(path) if path.exists() else None

    def verdict(self, name: str = FIRST) -> tuple[str | None, str | None, str | None]:
        found = self.store.get(name)
        assert found is not None
        return found.verdict, found.truth, found.by

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.verdicts / verdict_file.LOG).read_text().splitlines()]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.desk.close()
    made.store.close()


def test_a_verdict_has_the_clip_the_boxes_of_the_person_and_the_label(at: Desk) -> None:
    assert at.say(SIT) == [(True, True, None)]
    label = at.label()
    assert label is not None
    assert (label.said, label.verdict, label.truth, label.by) == ("fall", "really", "sit", "ben")
    assert (label.camera, label.track, label.clip) == ("door", 7, at.recorded[0].name)
    assert (label.first_us, label.end_us, label.size) == (10 * FRAME_US, 10 * FRAME_US + S, (320, 180))
    assert label.boxes == [(number * FRAME_US, *box_at(number)) for number in range(10, 35)]
    assert verdict_file.is_verdicts_folder(at.verdicts)
    for ending in ENDINGS:
        name = at.recorded[0].name + ending
        assert (at.verdicts / "clips" / name).samefile(at.clips / name)
    assert verdict_file.label_path(at.verdicts, FIRST).stat().st_mode & 0o777 == 0o600
    assert at.verdict() == ("really", "sit", "ben")
    (line,) = at.log()
    assert (line["by"], line["id"], line["before"]) == ("ben", FIRST, None)
    assert line["after"] == {"verdict": "really", "truth": "sit"}


def test_training_gets_nothing_of_a_camera_in_skeleton_mode_but_the_verdict_is_kept(at: Desk) -> None:
    assert at.say(RIGHT) == [(True, True, None)]
    hidden = VerdictDesk(at.store, at.folder, at.library, known(door={"privacy": "skeleton"}, yard=MASKED))
    (first, second) = hidden.say([FIRST, "e0123abcd-2"], WRONG)
    assert (first.saved, first.learned, first.why) == (True, False, "private")
    assert at.verdict() == ("wrong", None, "anna") and at.label() is None
    assert (second.learned, second.why) == (False, "private"), "its clip is from before the masks"


def test_masked_pictures_can_be_learned_from(at: Desk) -> None:
    masked = VerdictDesk(at.store, at.folder, at.library, known(door=MASKED))
    clip = replace(at.recorded[0], privacy="masked")
    with mock.patch.object(ClipLibrary, "clip", lambda library, name: clip):
        (one,) = masked.say([FIRST], RIGHT)
    assert (one.learned, one.why) == (True, None)


def test_training_gets_no_clip_that_was_drawn(at: Desk) -> None:
    clip = replace(at.recorded[0], privacy="skeleton")
    with mock.patch.object(ClipLibrary, "clip", lambda library, name: clip):
        assert at.say(RIGHT) == [(True, False, "private")]
    assert at.label() is None


def test_repeating_a_verdict_changes_nothing_and_another_one_replaces_it(at: Desk) -> None:
    at.say(RIGHT)
    first = at.label()
    assert first is not None and first.truth == "fall"
    at.say(RIGHT._replace(by="ben"))
    assert at.label() == first and len(at.log()) == 1
    at.say(WRONG)
    second = at.label()
    assert second is not None and (second.verdict, second.truth) == ("wrong", None)
    assert [(line["before"] or {}).get("verdict") for line in at.log()] == [None, "right"]
    assert at.say(Said("really", "fall", "anna")) == [(True, True, None)]
    assert at.verdict() == ("right", "fall", "anna")


def test_a_verdict_that_is_taken_back_leaves_no_label_and_no_clip(at: Desk) -> None:
    at.say(RIGHT, FIRST, "e0123abcd-2")
    assert at.folder.counts == (2, 2)
    assert at.say(BACK) == [(True, False, None)]
    assert at.label() is None and at.verdict() == (None, None, None)
    assert shown_files(at.verdicts / "clips", at.recorded[0]) == [False] * 3
    assert shown_files(at.verdicts / "clips", at.recorded[1]) == [True] * 3
    assert shown_files(at.clips, at.recorded[0]) == [True] * 3


def test_a_clip_is_kept_after_the_recorder_has_deleted_its_own_and_its_verdict_can_change(at: Desk) -> None:
    at.say(RIGHT)
    at.library.budget = 1
    at.library.update_size("none", 0)
    assert shown_files(at.clips, at.recorded[0]) == [False] * 3
    assert at.say(SIT) == [(True, True, None)]
    label = at.label()
    assert label is not None and label.truth == "sit" and len(label.boxes) == 25
    assert at.say(RIGHT, "e0123abcd-2") == [(True, False, "no-clip")]


def test_what_training_cannot_learn_from_is_saved_all_the_same_and_says_why(at: Desk) -> None:
    give(at.store, alert(40, track=None), alert(41, action="fall", track=55))
    assert at.say(RIGHT, "e0123abcd-3") == [(True, False, "no-clip")]
    assert at.say(RIGHT, "0123abcd-40") == [(True, False, "nothing-to-learn")]
    assert at.say(RIGHT, "e0123abcd-999") == [(False, False, "no-such-incident")]
    assert at.verdict("e0123abcd-3") == ("right", "kick", "anna")
    at.say(RIGHT)
    assert at.say(SKIP) == [(True, False, "nothing-to-learn")]
    assert at.label() is None and at.verdict() == ("skip", None, "anna")
    results = at.clips / f"{at.recorded[1].name}.jsonl"
    results.write_bytes(b"damaged\n")
    assert at.say(RIGHT, "e0123abcd-2") == [(True, False, "no-track")]


def test_a_clip_that_is_complete_after_the_verdict_is_kept_when_the_verdict_is_repeated(at: Desk) -> None:
    with mock.patch.object(at.library, "clip", return_value=None):
        assert at.say(RIGHT) == [(True, False, "no-clip")]
    before = at.store.get(FIRST)
    assert at.say(RIGHT._replace(by="ben")) == [(True, True, None)]
    label = at.label()
    assert label is not None and before is not None and (label.by, label.at_us) == ("anna", before.at_us)


def test_after_a_restart_verdicts_that_came_before_their_clip_still_get_it(at: Desk) -> None:
    with mock.patch.object(at.library, "clip", return_value=None):
        at.say(RIGHT, FIRST, "e0123abcd-2", "e0123abcd-3")
        at.say(SKIP, "e0123abcd-2")
    unknown = fell(4)  # the engine was killed before the store took the message that its clip is complete
    give(at.store, unknown)
    clip = write_recorded(at.clips, unknown)
    at.say(RIGHT, unknown.event)
    said = at.store.get(FIRST)
    assert said is not None and at.label() is None
    at.library.close()  # the engine before has ended
    library = ClipLibrary(at.clips, 10**9, 0)
    again = VerdictDesk(at.store, at.folder, library)
    again.start()
    library.open()  # another thread of the engine does it
    wait_until(lambda: at.label() is not None and at.label(unknown.event) is not None)
    label, other = at.label(), at.label(unknown.event)
    assert label is not None and other is not None and other.clip == clip.name
    assert (label.by, label.at_us, label.clip) == ("anna", said.at_us, at.recorded[0].name)
    wait_until(lambda: at.folder.counts == (2, 2))
    again.close()
    assert at.label("e0123abcd-2") is None and at.label("e0123abcd-3") is None
    assert shown_files(at.verdicts / "clips", clip) == [True] * 3


def test_verdicts_that_cannot_be_kept_after_a_restart_are_counted_in_one_line(
    at: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with mock.patch.object(at.library, "clip", return_value=None):
        at.say(RIGHT, FIRST, "e0123abcd-2")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch.object(files, "replace", side_effect=full):
        at.desk.start()
        wait_until(lambda: bool(caplog.messages))
    assert caplog.messages == ["verdicts: 2 cannot be kept for training: No space left on device"]


def test_a_clip_that_becomes_complete_after_the_verdict_is_kept(at: Desk) -> None:
    with mock.patch.object(at.library, "clip", return_value=None):
        assert at.say(RIGHT, FIRST, "e0123abcd-2") == [(True, False, "no-clip")] * 2
    at.say(BACK, "e0123abcd-2")
    at.desk.start()
    for clip in at.recorded:
        at.desk.take("", ready(clip))
    wait_until(lambda: at.label() is not None)
    label = at.label()
    assert label is not None and (label.verdict, label.by) == ("right", "anna")
    assert at.label("e0123abcd-2") is None and len(at.log()) == 3
    wait_until(lambda: at.folder.counts == (1, 1))


def test_a_clip_that_becomes_complete_while_the_verdict_is_given_is_kept(at: Desk) -> None:
    at.desk.start()
    real = at.library.clip

    def completed(name: str) -> Clip | None:
        with mock.patch.object(at.library, "clip", real):
            at.desk.take("", ready(at.recorded[0]))
        return None

    with mock.patch.object(at.library, "clip", side_effect=completed):
        assert at.say(RIGHT) == [(True, False, "no-clip")]
    wait_until(lambda: at.label() is not None)


def test_many_waiting_verdicts_and_many_clips_need_one_thread_and_no_reads(at: Desk) -> None:
    give(at.store, *(fell(number, label="kick") for number in range(100, 150)))
    waiting = [f"e0123abcd-{number}" for number in range(100, 150)]
    assert {why for _, _, why in at.say(RIGHT, *waiting)} == {"no-clip"}
    at.desk._late.look_through = False  # what the worker does at first
    at.desk.start()
    threads = threading.active_count()
    with mock.patch.object(at.store, "get", wraps=at.store.get) as get:
        for _ in range(100):
            at.desk.take("", ready(at.recorded[1]))
        assert threading.active_count() == threads
        with mock.patch.object(at.library, "clip", return_value=None):
            assert at.say(RIGHT) == [(True, False, "no-clip")]
        at.desk.take("", ready(at.recorded[0]))  # the last of the queue
        wait_until(lambda: at.label() is not None)
        assert get.call_count == 2, "only what a clip shows is read"


def test_when_more_clips_are_complete_than_are_looked_at_all_are_looked_through(
    at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_clips, "MOST_COMPLETE", 1)
    at.library.close()  # the engine before has ended
    library = ClipLibrary(at.clips, 10**9, 0)
    desk = VerdictDesk(at.store, at.folder, library)
    desk.start()  # the worker waits for the library
    both = [FIRST, "e0123abcd-2"]
    assert {one.why for one in desk.say(both, RIGHT)} == {"no-clip"}
    for clip in at.recorded:
        desk.take("", ready(clip))
    library.open()
    wait_until(lambda: all(at.label(name) is not None for name in both))
    desk.close()


def test_a_label_whose_clip_is_lost_is_deleted_rather_than_left_to_contradict_the_verdict(at: Desk) -> None:
    at.say(RIGHT)
    for path in verdict_file.clip_paths(at.verdicts, at.recorded[0].name):
        path.unlink()
    with mock.patch.object(at.library, "clip", return_value=None):
        assert at.say(WRONG) == [(True, False, "no-clip")]
    assert at.label() is None and at.verdict() == ("wrong", None, "anna")


def test_an_incident_that_is_deleted_meanwhile_leaves_no_label_and_the_others_are_saved(at: Desk) -> None:
    real = at.store.set_verdict

    def deleted(ids: list[str], *said: Any) -> list[Any]:
        return [] if ids == [FIRST] else real(ids, *said)

    with mock.patch.object(at.store, "set_verdict", side_effect=deleted):
        outcomes = at.say(RIGHT, FIRST, "e0123abcd-2")
    assert outcomes == [(False, False, "no-such-incident"), (True, True, None)]
    assert at.label() is None and not any(shown_files(at.verdicts / "clips", at.recorded[0]))
    assert len(at.log()) == 1


def test_incidents_of_cameras_that_the_caller_does_not_see_do_not_exist(at: Desk) -> None:
    outcomes = at.desk.say([FIRST, "e0123abcd-2"], RIGHT, lambda camera: camera == "door")
    assert [(one.saved, one.why, one.incident is None) for one in outcomes] == [
        (True, None, False),
        (False, "no-such-incident", True),
    ]
    assert at.verdict("e0123abcd-2") == (None, None, None)


@pytest.mark.parametrize("function", ["replace", "link"])
def test_a_full_disk_refuses_the_verdict_and_keeps_the_one_before(at: Desk, function: str) -> None:
    at.say(RIGHT)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    target: Any = files if function == "replace" else os
    with mock.patch.object(target, function, side_effect=full), pytest.raises(VerdictsUnwritableError) as caught:
        at.desk.say([FIRST] if function == "replace" else ["e0123abcd-2"], WRONG)
    assert "No space left" in str(caught.value) and caught.value.done == []
    label = at.label()
    assert label is not None and label.verdict == "right" and at.verdict() == ("right", "fall", "anna")
    assert at.label("e0123abcd-2") is None and at.verdict("e0123abcd-2") == (None, None, None)
    assert not any(shown_files(at.verdicts / "clips", at.recorded[1]))
    assert at.say(WRONG, FIRST, "e0123abcd-2") == [(True, True, None)] * 2


def test_a_store_that_cannot_be_written_leaves_the_label_as_it_was(at: Desk) -> None:
    at.say(RIGHT)
    for said in (WRONG, BACK):
        unavailable = mock.patch.object(at.store, "set_verdict", side_effect=StoreUnavailableError("no"))
        with unavailable, pytest.raises(VerdictsUnwritableError):
            at.desk.say([FIRST], said)
        label = at.label()
        assert label is not None and label.verdict == "right"
        assert all(shown_files(at.verdicts / "clips", at.recorded[0]))
    assert len(at.log()) == 1


def test_clips_are_copied_to_another_disk_unless_too_little_is_free(at: Desk) -> None:
    other = OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    real = os.link
    with mock.patch.object(os, "link", side_effect=other):
        at.folder._least_free = 1 << 60
        with pytest.raises(VerdictsUnwritableError, match=r"verdicts\.least_free"):
            at.desk.say([FIRST], RIGHT)
        at.folder._least_free = 0
        assert at.say(RIGHT) == [(True, True, None)]
    assert os.link is real
    name = at.recorded[0].name + ".mp4"
    assert (at.verdicts / "clips" / name).read_bytes() == (at.clips / name).read_bytes()
    assert not (at.verdicts / "clips" / name).samefile(at.clips / name)


def test_clips_beyond_the_budget_are_refused_and_none_is_deleted(at: Desk) -> None:
    at.say(RIGHT)
    at.folder._budget = 1
    with pytest.raises(VerdictsUnwritableError, match=r"verdicts\.budget"):
        at.desk.say(["e0123abcd-2"], RIGHT)
    assert all(shown_files(at.verdicts / "clips", at.recorded[0]))
    assert at.say(WRONG) == [(True, True, None)]


def test_a_damaged_verdict_is_named_and_left_and_the_others_work(at: Desk) -> None:
    at.say(RIGHT, FIRST, "e0123abcd-2")
    path = verdict_file.label_path(at.verdicts, FIRST)
    path.write_text(path.read_text()[:50])
    again = VerdictDesk(at.store, VerdictFolder(at.verdicts, VerdictsConfig.model_validate({})), at.library)
    again.start()
    wait_until(lambda: again.folder.counts == (1, 1))
    (damaged,) = again.folder.damaged
    assert damaged.startswith(f"{FIRST}.json: ") and len(path.read_text()) == 50
    assert [one.learned for one in again.say([FIRST, "e0123abcd-2"], WRONG)] == [True, True]
    again.close()


def test_a_clip_on_which_there_is_no_verdict_is_named_and_left(at: Desk) -> None:
    at.say(RIGHT, FIRST, "e0123abcd-2")
    verdict_file.label_path(at.verdicts, FIRST).unlink()  # moved elsewhere, or the process was killed before it
    again = VerdictFolder(at.verdicts, VerdictsConfig.model_validate({"least_free": 0}))
    again.read()
    assert again.damaged == [f"{at.recorded[0].name}: there is no verdict on this clip"]
    again.delete_unused()
    assert all(shown_files(at.verdicts / "clips", at.recorded[0]))
    verdict_file.label_path(at.verdicts, "e0123abcd-2").write_text("damaged")
    third = VerdictFolder(at.verdicts, VerdictsConfig.model_validate({}))
    third.read()
    assert third.damaged == ["e0123abcd-2.json: JSON is malformed: invalid character (byte 0)"]


def test_labels_count_towards_the_budget(at: Desk) -> None:
    at.say(RIGHT)
    label, clips = (
        verdict_file.label_path(at.verdicts, FIRST),
        verdict_file.clip_paths(at.verdicts, at.recorded[0].name),
    )
    assert at.folder._bytes == sum(path.stat().st_size for path in (label, *clips))
    other = fell(8)
    give(at.store, msgspec.structs.replace(other, media_time_us=10 * S, capture_us=other.capture_us))
    give(at.store, ready(at.recorded[0]))
    at.folder._budget = at.folder._bytes
    with pytest.raises(VerdictsUnwritableError, match=r"verdicts\.budget"):
        at.desk.say([other.event], RIGHT)
    at.say(BACK)
    assert at.folder._bytes == 0


def test_a_copy_leaves_least_free_free(at: Desk) -> None:
    other = OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    free = shutil.disk_usage(at.verdicts.parent)._replace(free=10_000)
    at.folder._least_free = 10_000
    with (
        mock.patch.object(os, "link", side_effect=other),
        mock.patch.object(shutil, "disk_usage", return_value=free),
        pytest.raises(VerdictsUnwritableError, match=r"verdicts\.least_free"),
    ):
        at.desk.say([FIRST], RIGHT)


def test_the_log_is_renamed_when_it_is_large(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_folder, "MOST_LOG_BYTES", 500)
    for said in (RIGHT, WRONG, SIT, SKIP, RIGHT, WRONG):
        at.say(said)
    earlier = at.verdicts / verdict_file.EARLIER_LOG
    sizes = [path.stat().st_size for path in (at.verdicts / verdict_file.LOG, earlier)]
    assert all(0 < size <= 500 for size in sizes), sizes
    assert at.log()[-1]["after"]["verdict"] == "wrong"


def test_links_among_the_clips_are_not_followed(at: Desk) -> None:
    at.say(RIGHT, "e0123abcd-2")
    elsewhere = at.verdicts.parent / "elsewhere.mp4"
    elsewhere.write_bytes(b"mine")
    clips = at.verdicts / "clips"
    (clips / "dangling.mp4").symlink_to("nowhere")
    (clips / f"{at.recorded[0].name}.mp4").symlink_to(elsewhere)
    again = VerdictDesk(
        at.store, VerdictFolder(at.verdicts, VerdictsConfig.model_validate({"least_free": 0})), at.library
    )
    assert [one.learned for one in again.say([FIRST], RIGHT)] == [True]
    assert (clips / f"{at.recorded[0].name}.mp4").samefile(at.clips / f"{at.recorded[0].name}.mp4")
    assert elsewhere.read_bytes() == b"mine"


def test_a_directory_that_cannot_be_used_or_is_not_used_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    given = VerdictsConfig.model_validate({"directory": tmp_path / "file"})
    assert make_desk(None, IncidentsConfig.model_validate({}), given, None, KnownPrivacy()) is None
    assert f"verdicts.directory: {tmp_path / 'file'} is not used without incidents.directory" in caplog.text
    store = store_at(tmp_path / "incidents")
    incidents = IncidentsConfig.model_validate({"directory": tmp_path / "incidents"})
    desk = make_desk(store, incidents, given, None, KnownPrivacy())
    assert desk is not None
    desk.start()
    desk.close()
    store.close()
    assert f"verdicts: {tmp_path / 'file'} cannot be used: File exists" in caplog.text
