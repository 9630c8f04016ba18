"""Imported sources are read back by the data folder's own readers, with labels, people and terms."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from commands.data.importing import Format
from support.training.motion_files import bvh_text, save_jhmdb, save_penn, utkinect_text, walked
from training.sources.checking import check_folder
from training.sources.formats.body import JOINTS, KEYPOINTS, FormatError
from training.sources.formats.bvh import CANDIDATES
from training.sources.formats.conversion import Options
from training.sources.formats.importing import PUBLIC, Report, Request, import_source
from training.sources.formats.labels import Labels, compiled, parse_pairs, read_pairs
from training.sources.motion_clips import read_clips
from training.sources.terms import DataFolderError, read_sources
from training.synthetic.motion.movement import ACTIONS


def bring(out: Path, format: str, *paths: Path, **fields: Any) -> Report:
    fields = {"id": "mine", "terms": "open"} | fields
    return import_source(Request(format, paths, out, **fields))


def like(name: str, out: Path, *paths: Path) -> Report:
    public = PUBLIC[name]
    return bring(
        out,
        public.format,
        *paths,
        id=name,
        terms=public.terms,
        pairs=public.labels,
        options=public.options,
        person_from=compiled(public.person_from, ""),
        name_from=compiled(public.name_from, ""),
    )


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def actions(out: Path, kind: str = "motion3d", name: str = "mine") -> list[list[str]]:
    """The actions of each clip's frames, "" for unlabelled ones."""
    (clips,) = read_clips(out, kind, [name])
    names = [*clips.actions, ""]
    return [[names[number] for number in clips.action[clips.frames(clip)]] for clip in range(len(clips))]


def test_bvh_files_become_one_source_with_names_mapped_and_people_from_the_path(tmp_path: Path) -> None:
    for name in ("ann/walk_fast_1", "ann/clean_2", "bob/fall_1"):
        put(tmp_path / "in" / f"{name}.bvh", bvh_text([{}] * 61))
    report = bring(
        tmp_path / "out",
        "bvh",
        tmp_path / "in",
        pairs=[("walk_*", "walk")],
        person_from=re.compile(r"/(ann|bob)/"),
        name_from=re.compile(r"([a-z_]+)_\d\.bvh"),
    )
    (clips,) = read_clips(tmp_path / "out", "motion3d", ["mine"])
    assert clips.names == JOINTS and clips.points.dtype == np.float16
    assert list(clips.text) == ["clean 2", "walk fast 1", "fall 1"] and list(clips.person) == ["ann", "ann", "bob"]
    assert np.diff(clips.start).tolist() == [31, 31, 31]  # 61 frames at 60 Hz
    assert [set(own) for own in actions(tmp_path / "out")] == [{""}, {"walk"}, {"fall"}]
    stored = np.load(report.path)
    assert stored["label"].tolist() == ["", "walk", "fall"] and stored["frame_labels"].tolist() == list(ACTIONS)
    assert report.unlabelled == {"clean": 1}
    assert report.mapping == {"fall": "fall", "walk_fast": "walk"}
    assert (report.tally.clips, report.tally.people) == (3, 2)
    assert report.tally.actions["walk"] == (1, pytest.approx(31 / 30))


def test_utkinect_is_imported_with_frame_labels(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    put(folder / "joints_s03_e01.txt", utkinect_text(walked(61), range(100, 222, 2)))
    put(folder / "actionLabel.txt", "s03_e01\nwalk: 100 129\npush: 140 160\npull: 150 170\nwaveHands: 160 179\n")
    report = like("utkinect", tmp_path / "out", folder)
    (own,) = actions(tmp_path / "out", name="utkinect")
    assert own[:15] == ["walk"] * 15 and own[15:20] == [""] * 5
    assert own[20:30] == ["other"] * 10  # push and pull overlap, and are the same action
    assert own[30:36] == [""] * 6  # pull and waveHands overlap, and are not
    assert own[36:40] == ["wave"] * 4 and own[40:] == [""] * 21
    assert np.load(report.path)["person"].tolist() == ["s03"]
    assert report.unlabelled == {}


def test_motion_is_imported_as_its_public_source_says_and_found_sound_by_the_check(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(tmp_path / "a" / "dataset-1_wave-both-hands_happy_003.bvh", bvh_text([{}] * 30, frame_s=1 / 30))
    like("bandai_namco", out, tmp_path / "a")
    for name in ("m01_s04_e02", "m05_s04_e02"):
        put(tmp_path / "b" / f"{name}_positions.bvh", bvh_text([{}] * 60))
    like("ui_prmd", out, tmp_path / "b")
    put(tmp_path / "c" / "joints_s02_e03.txt", utkinect_text(walked(20), range(0, 80, 4)))
    put(tmp_path / "c" / "actionLabel.txt", "s02_e03\nclapHands: 0 80\n")
    like("utkinect", out, tmp_path / "c")
    assert [set(own) for own in actions(out, name="bandai_namco")] == [{"wave"}]
    assert [set(own) for own in actions(out, name="ui_prmd")] == [{"squat"}, {""}]
    assert [set(own) for own in actions(out, name="utkinect")] == [{"clap"}]
    assert read_clips(out, "motion3d", ["bandai_namco"])[0].text == ["dataset-1 wave-both-hands happy 003"]
    report = check_folder(out)
    assert report.errors == [] and [source.id for source in report.sources] == sorted(read_sources(out))
    for source in report.sources:
        assert source.toes_forward == (1, 1) or (source.id != "utkinect" and source.toes_forward is not None)
        assert source.limb_variation is not None and source.limb_variation < 0.01
        assert source.notes == []


def test_penn_action_and_jhmdb_become_pose_sources(tmp_path: Path) -> None:
    x = np.full((9, 13), 40.0)
    save_penn(tmp_path / "penn" / "labels" / "0001.mat", x, x)
    save_penn(tmp_path / "penn" / "labels" / "0002.mat", x, x, action="bowl")
    save_penn(tmp_path / "penn" / "labels" / "0003.mat", x, x, action="unheard_of")
    report = like("penn_action", tmp_path / "out", tmp_path / "penn")
    assert [set(own) for own in actions(tmp_path / "out", "pose2d", "penn_action")] == [{"squat"}, {""}, {""}]
    assert report.unlabelled == {"unheard_of": 1}  # bowl is left out on purpose
    for name in ("sit", "kick_ball"):
        save_jhmdb(tmp_path, name, "film", pos_img=np.ones((2, 15, 4)) * 7)
    like("jhmdb", tmp_path / "out", tmp_path / "joint_positions")
    assert [set(own) for own in actions(tmp_path / "out", "pose2d", "jhmdb")] == [{""}, {"sit_down"}]
    (clips,) = read_clips(tmp_path / "out", "pose2d", ["jhmdb"])
    assert clips.names == KEYPOINTS and clips.size.tolist() == [[320, 240]] * 2 and clips.fps.tolist() == [0, 0]


def test_sources_json_keeps_the_other_sources_and_its_other_fields(tmp_path: Path) -> None:
    others = {"note": "mine", "sources": [{"id": "old", "terms_class": "nc", "faults": "none"}]}
    put(tmp_path / "out" / "sources.json", json.dumps(others))
    put(tmp_path / "in" / "a.bvh", bvh_text([{}] * 9))
    bring(tmp_path / "out", "bvh", tmp_path / "in", known={"dataset": "Mine", "repository": "", "terms_text": "All."})
    content = json.loads((tmp_path / "out" / "sources.json").read_text())
    assert content["note"] == "mine" and content["sources"][0] == others["sources"][0]
    made = content["sources"][1]
    assert (made["id"], made["kind"], made["terms_class"], made["dataset"]) == ("mine", "motion3d", "open", "Mine")
    assert made["files"] == ["motion3d/mine.npz"] and made["terms_text"] == "All." and "repository" not in made
    assert read_sources(tmp_path / "out")["mine"].terms == "open"
    assert [path.name for path in (tmp_path / "out").rglob(".*")] == []


def test_a_source_is_only_replaced_on_request(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(tmp_path / "in" / "a.bvh", bvh_text([{}] * 9))
    bring(out, "bvh", tmp_path / "in")
    before = (out / "motion3d" / "mine.npz").read_bytes()
    put(tmp_path / "in" / "b.bvh", bvh_text([{}] * 9))
    with pytest.raises(DataFolderError, match="--replace"):
        bring(out, "bvh", tmp_path / "in")
    assert (out / "motion3d" / "mine.npz").read_bytes() == before
    assert bring(out, "bvh", tmp_path / "in", replace=True).tally.clips == 2
    assert len(json.loads((out / "sources.json").read_text())["sources"]) == 1
    with pytest.raises(DataFolderError, match="has a source mine in motion3d; choose another --id"):
        bring(out, "penn-action", tmp_path / "in", replace=True)
    with pytest.raises(DataFolderError, match="lower-case letters"):
        bring(out, "bvh", tmp_path / "in", id="../up")


def test_files_that_cannot_be_read_stop_the_import_or_are_left_out_on_request(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.bvh", bvh_text([{}] * 9))
    put(tmp_path / "in" / "b.bvh", "no BVH")
    put(tmp_path / "in" / "c.bvh", bvh_text([{}] * 9)[:-100])
    with pytest.raises(FormatError, match=r"b\.bvh.*\n.*c\.bvh.*\n.*--skip-errors"):
        bring(tmp_path / "out", "bvh", tmp_path / "in")
    assert not (tmp_path / "out").exists()
    report = bring(tmp_path / "out", "bvh", tmp_path / "in", skip_errors=True)
    assert report.tally.clips == 1 and len(report.left_out) == 2
    (tmp_path / "in" / "a.bvh").unlink()
    with pytest.raises(FormatError, match=r"b\.bvh"):
        bring(tmp_path / "out", "bvh", tmp_path / "in", skip_errors=True, replace=True)


def test_new_actions_follow_the_24_and_all_files_count_them_alike(tmp_path: Path) -> None:
    for name in ("zap", "walk", "beam"):
        put(tmp_path / "in" / f"{name}.bvh", bvh_text([{}] * 9))
    report = bring(tmp_path / "out", "bvh", tmp_path / "in", pairs=[("zap", "zap"), ("beam", "beam")])
    assert np.load(report.path)["frame_labels"].tolist() == [*ACTIONS, "beam", "zap"]
    assert [set(own) for own in actions(tmp_path / "out")] == [{"beam"}, {"walk"}, {"zap"}]


def test_label_options_and_files_are_read_or_refused(tmp_path: Path) -> None:
    assert parse_pairs(["waveHands=wave", "a=b=walk", "push="]) == [
        ("waveHands", "wave"),
        ("a=b", "walk"),
        ("push", ""),
    ]
    assert read_pairs(put(tmp_path / "l.yaml", "waveHands: wave\npush: null\n7: walk\n")) == [
        ("waveHands", "wave"), ("push", ""), ("7", "walk")
    ]  # fmt: skip
    for text in ("wave", "=wave", "a=Wave", "a=two words"):
        with pytest.raises(FormatError, match="--label"):
            parse_pairs([text])
    with pytest.raises(FormatError, match="must be an action's name or null"):
        read_pairs(put(tmp_path / "l.yaml", "a: [wave]\n"))
    with pytest.raises(FormatError, match="is not a regular expression"):
        compiled("(", "--person-from")


def test_the_first_fitting_pattern_decides_and_an_empty_one_leaves_unlabelled_on_purpose() -> None:
    labels = Labels([("wave-left", ""), ("wave*", "wave"), ("walk", "run")])
    assert [labels.action(name) for name in ("wave-left", "wave-both", "walk", "sit", "fly", "fly")] == [
        "", "wave", "run", "sit", "", ""
    ]  # fmt: skip
    assert labels.unlabelled == {"fly": 2}


def test_the_public_sources_are_complete_and_consistent() -> None:
    for name, public in PUBLIC.items():
        assert public.id == name and public.format in get_args(Format) and re.fullmatch("[a-z0-9_]+", name)
        assert all(action in ("", *ACTIONS) for _, action in public.labels)
        assert public.home.startswith("http") and public.terms_text and public.dataset
        compiled(public.person_from, "")
        compiled(public.name_from, "")
    assert set(CANDIDATES) == set(JOINTS)


def test_joints_that_a_data_folder_cannot_hold_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "walk.bvh"
    path.write_text(bvh_text([{"root": (9e6 * (n < 30), 0, 0)} for n in range(61)], scale=1.0))
    with pytest.raises(DataFolderError, match="65 km away"):
        bring(tmp_path / "data", "bvh", path, options=Options(unit="m", up="y"))
    assert not (tmp_path / "data" / "motion3d" / "mine.npz").exists()
