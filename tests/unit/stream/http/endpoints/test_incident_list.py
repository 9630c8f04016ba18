"""The list of incidents does not tell of cameras that the caller does not see."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from stream.http.endpoints.incidents_api import PATH, IncidentsApi
from stream.http.server.access_control.access import Caller
from stream.http.server.access_control.gate import CALLER
from stream.incidents.incident import IncidentList
from stream.incidents.pictures import FramePictures
from support.incidents import JPEG, alert, frame, give, opened


@pytest.mark.parametrize("cameras", [None, frozenset({"yard"})])
async def test_the_size_of_all_pictures_is_only_for_those_who_see_all_cameras(
    tmp_path: Path, cameras: frozenset[str] | None
) -> None:
    store = opened(tmp_path)
    give(store, alert(1))
    store.keep([], frame(1), JPEG)
    (listing, *_) = IncidentsApi(store, FramePictures(store)).routes()
    request = make_mocked_request("GET", PATH)
    request[CALLER] = Caller("read", "token", "anna", cameras)
    response = await listing.handler(request)
    body = getattr(response, "body", b"")
    assert msgspec.json.decode(body, type=IncidentList).bytes == (store.bytes_kept if cameras is None else 0)
    assert store.bytes_kept > 0
    store.close()
