"""The list of clips does not tell of cameras that the caller does not see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from stream.http.endpoints.clips_api import ClipsApi
from stream.http.server.auth import Caller
from stream.http.server.gate import CALLER
from stream.privacy.known_privacy import KnownPrivacy


@pytest.mark.parametrize(("cameras", "size"), [(None, 7), (frozenset({"yard"}), 0)])
async def test_the_size_of_all_clips_is_only_for_those_who_see_all_cameras(
    cameras: frozenset[str] | None, size: int
) -> None:
    ready = SimpleNamespace(state="ready", message="")
    library: Any = SimpleNamespace(condition=ready, bytes_kept=7, budget=9, clips=lambda: [])
    listing = ClipsApi(library, KnownPrivacy()).routes()[0]
    request = make_mocked_request("GET", listing.path)
    request[CALLER] = Caller("read", "token", "anna", cameras)
    response = await listing.handler(request)
    assert msgspec.json.decode(getattr(response, "body", b""))["bytes"] == size
