"""Incidents over HTTP: what a list tells of other cameras, and in which threads they are read."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from stream.http.endpoints.incidents_api import PATH, IncidentsApi
from stream.http.server.auth import LOOPBACK, Caller
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem
from stream.http.server.request_threads import MOST_WAITING, RequestThreads
from stream.incidents.incident import Incident, IncidentList
from stream.incidents.pictures import FramePictures
from support.incidents import JPEG, alert, frame, give, opened


@pytest.mark.parametrize("cameras", [None, frozenset({"yard"})])
async def test_the_size_of_all_pictures_is_only_for_those_who_see_all_cameras(
    tmp_path: Path, cameras: frozenset[str] | None
) -> None:
    store = opened(tmp_path)
    give(store, alert(1))
    store.keep([], frame(1), JPEG)
    reading = RequestThreads("readers", 2, "kept alerts")
    (listing, *_) = IncidentsApi(store, FramePictures(store), reading).routes()
    request = make_mocked_request("GET", PATH)
    request[CALLER] = Caller("read", "token", "anna", cameras)
    response = await listing.handler(request)
    body = getattr(response, "body", b"")
    assert msgspec.json.decode(body, type=IncidentList).bytes == (store.bytes_kept if cameras is None else 0)
    assert store.bytes_kept > 0
    reading.close()
    store.close()


async def test_a_slow_disk_keeps_no_thread_of_the_event_loop_and_further_queries_are_refused(tmp_path: Path) -> None:
    store, free = opened(tmp_path), threading.Event()
    reading = RequestThreads("readers", 2, "kept alerts")
    (listing, *_) = IncidentsApi(store, FramePictures(store), reading).routes()
    request = make_mocked_request("GET", PATH)
    request[CALLER] = LOOPBACK

    def slow(query: object) -> list[Incident]:
        free.wait()
        return []

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    with mock.patch.object(store, "find", slow):
        queries = [asyncio.ensure_future(listing.handler(request)) for _ in range(2 + MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await listing.handler(request)
        assert (refused.value.status, refused.value.code) == (503, "not-now")
        assert await asyncio.to_thread(threading.current_thread) is not threading.main_thread()
        free.set()
        assert [answer.status for answer in await asyncio.gather(*queries)] == [200] * (2 + MOST_WAITING)
    reading.close()
    store.close()
