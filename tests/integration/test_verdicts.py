"""Verdicts over HTTP: one and several, who may give them, and what is answered where they cannot be kept."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from stages.verdicts import verdict_file
from stream.settings import files
from support.engines.controlled_engine import configured, running
from support.engines.recording_engine import between, recorded, recording
from support.engines.small_clips import make_clip
from support.listed_tokens import bearer, listed, write_tokens
from support.reviewing import fell, reviewed
from support.waiting import until

FIRST, SECOND, WALKED = "e0123abcd-1", "e0123abcd-2", "e0123abcd-3"
EVENTS = [fell(1), fell(2, "yard"), fell(3, label="kick")]


async def test_verdicts_are_given_one_by_one_and_several_at_once_and_taken_back(tmp_path: Path) -> None:
    async with reviewed(tmp_path, EVENTS) as (_, client, clips):
        path = f"/api/v1/incidents/{FIRST}/verdict"
        assert (await client.get("/api/v1/actions"))["actions"] == ["fall", "lie", "sit", "stand", "walk"]
        status, outcome, _ = await client.ask("PUT", path, json={"verdict": "really", "truth": "sit"})
        assert (status, outcome["saved"], outcome["learned"], outcome["why"]) == (200, True, True, None)
        kept = await client.get(f"/api/v1/incidents/{FIRST}")
        assert kept == outcome["incident"]
        assert (kept["verdict"], kept["truth"], kept["by"]) == ("really", "sit", "loopback") and kept["at_us"]
        repeated = await client.ask("PUT", path, json={"verdict": "really", "truth": "sit"})
        assert repeated[1] == outcome

        ids = [SECOND, WALKED, "e0123abcd-99", SECOND]
        status, body, _ = await client.ask("POST", "/api/v1/verdicts", json={"ids": ids, "verdict": "wrong"})
        assert status == 200
        assert [(one["id"], one["saved"], one["why"]) for one in body["outcomes"]] == [
            (SECOND, True, None),
            (WALKED, True, "no-clip"),
            ("e0123abcd-99", False, "no-such-incident"),
        ]
        assert [one["id"] for one in (await client.get("/api/v1/incidents?verdict=wrong"))["incidents"]] == [
            WALKED,
            SECOND,
        ]
        labels = [one for one in verdict_file.read_all(tmp_path / "verdicts") if isinstance(one, verdict_file.Verdict)]
        assert [(one.id, one.verdict, one.truth, one.clip) for one in labels] == [
            (FIRST, "really", "sit", clips[0].name),
            (SECOND, "wrong", None, clips[1].name),
        ]
        (tmp_path / "verdicts" / "labels" / "e0123abcd-7.json").write_text("{}")
        state = await client.get("/api/v1/verdicts")
        assert (state["state"], state["verdicts"], state["clips"]) == ("ready", 2, 2)

        status, outcome, _ = await client.ask("DELETE", path)
        assert (status, outcome["saved"], outcome["incident"]["verdict"]) == (200, True, None)
        body = {"ids": [SECOND, WALKED], "verdict": None}
        assert (await client.ask("POST", "/api/v1/verdicts", json=body))[0] == 200
        assert (await client.get("/api/v1/verdicts"))["verdicts"] == 0
        metadata = await client.get(f"/api/v1/clips/{clips[0].name}/metadata")
        assert msgspec.convert(metadata, type(clips[0])) == clips[0]
        assert (await client.ask("GET", "/api/v1/clips/none/metadata"))[0] == 404


INVALID: list[dict[str, Any]] = [
    {},
    {"verdict": "maybe"},
    {"verdict": "right", "truth": "sit"},
    {"verdict": "really"},
    {"verdict": "really", "truth": "Not A Name"},
    {"verdict": "really", "truth": "../x"},
    {"verdict": "really", "truth": 7},
    {"verdict": "right", "more": 1},
    {"verdict": None, "truth": "sit"},
    {"ids": [], "verdict": "right"},
    {"ids": "e0123abcd-1", "verdict": "right"},
    {"ids": [FIRST] * 501, "verdict": "right"},
    {"ids": ["../../x"], "verdict": "right"},
    {"ids": [7], "verdict": "right"},
]


async def test_an_invalid_verdict_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with reviewed(tmp_path, EVENTS[:1]) as (_, client, _):
        for body in INVALID:
            given = body if "ids" in body else {"ids": [FIRST], **body}
            answers = [await client.ask("POST", "/api/v1/verdicts", json=given)]
            if "ids" not in body:
                answers.append(await client.ask("PUT", f"/api/v1/incidents/{FIRST}/verdict", json=body))
            for status, problem, _ in answers:
                assert (status, problem["type"]) == (422, "urn:partstream:problem:invalid"), (body, problem)
        assert (await client.get(f"/api/v1/incidents/{FIRST}"))["verdict"] is None
        assert [path.name for path in (tmp_path / "verdicts").iterdir()] == ["verdicts.lock"]


async def test_a_viewer_cannot_judge_and_a_reviewer_judges_only_its_cameras(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("viewer", "look"), listed("anna", "review", ["door"]))
    http = {"bind": "0.0.0.0:0", "tokens_file": tokens, "audit_file": tmp_path / "audit.jsonl"}
    async with reviewed(tmp_path, EVENTS, **http) as (_, client, _):
        both = {"ids": [FIRST, SECOND], "verdict": "right"}
        for method, path, body in (
            ("POST", "/api/v1/verdicts", both),
            ("PUT", f"/api/v1/incidents/{FIRST}/verdict", {"verdict": "right"}),
            ("DELETE", f"/api/v1/incidents/{FIRST}/verdict", None),
        ):
            assert (await client.ask(method, path, json=body, headers=bearer("viewer")))[0] == 403
        status, body, _ = await client.ask("POST", "/api/v1/verdicts", json=both, headers=bearer("anna"))
        assert status == 200
        assert [(one["saved"], one["why"]) for one in body["outcomes"]] == [(True, None), (False, "no-such-incident")]
        assert body["outcomes"][0]["incident"]["by"] == "anna"
        hidden = f"/api/v1/incidents/{SECOND}/verdict"
        assert (await client.ask("PUT", hidden, json={"verdict": "right"}, headers=bearer("anna")))[0] == 404
        lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
        assert (lines[0]["name"], lines[0]["route"], lines[0]["status"]) == ("anna", "/api/v1/verdicts", 200)
        assert "fall" not in (tmp_path / "audit.jsonl").read_text()


async def test_a_full_disk_is_answered_with_507_and_the_verdict_before_stays(tmp_path: Path) -> None:
    async with reviewed(tmp_path, EVENTS) as (_, client, _):
        path = f"/api/v1/incidents/{FIRST}/verdict"
        await client.ask("PUT", path, json={"verdict": "right"})
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch.object(files, "replace", side_effect=full):
            status, problem, _ = await client.ask("PUT", path, json={"verdict": "wrong"})
        assert (status, problem["type"]) == (507, "urn:partstream:problem:verdict-not-kept")
        assert "No space left" in problem["detail"]
        assert (await client.get(f"/api/v1/incidents/{FIRST}"))["verdict"] == "right"
        assert (await client.get("/api/v1/incidents?verdict=wrong"))["incidents"] == []


async def test_without_kept_incidents_there_is_nothing_to_judge(tmp_path: Path) -> None:
    async with running(configured()) as (_, client):
        state = await client.get("/api/v1/verdicts")
        assert (state["state"], state["message"]) == ("off", "incidents.directory is not set")
        assert (await client.ask("PUT", f"/api/v1/incidents/{FIRST}/verdict", json={"verdict": "right"}))[0] == 404


async def test_a_verdict_on_an_action_that_goes_on_is_kept_with_its_clip_once_that_is_complete(tmp_path: Path) -> None:
    film = await asyncio.to_thread(make_clip, tmp_path / "film.mp4", 150)
    config = recording(tmp_path / "clips", {"id": "door", "source": str(film)})
    kept = {"incidents": {"directory": tmp_path / "incidents", "least_free": 0}}
    config = type(config).model_validate(dict(config) | kept)
    async with recorded(config, between(2.0, 3.0)) as running:

        async def begun() -> Any:
            return (await running.client.get("/api/v1/incidents"))["incidents"]

        (fall,) = await until(begun)
        path = f"/api/v1/incidents/{fall['id']}/verdict"
        assert (await running.client.ask("PUT", path, json={"verdict": "wrong"}))[0] == 200
        clip = await running.clip()
        label = tmp_path / "incidents" / "verdicts" / "labels" / f"{fall['id']}.json"
        await until(label.exists)
        verdict = verdict_file.read(label)
        assert (verdict.clip, verdict.said, verdict.verdict, verdict.truth) == (clip.name, "fall", "wrong", None)
        assert len(verdict.boxes) == 25 and verdict.boxes[0] == (verdict.first_us, 1.0, 2.0, 30.0, 40.0)
        assert verdict.end_us - verdict.first_us == 1_000_000
