"""Every byte that leaves an engine is searched for a film's barcodes: none in skeleton mode, and some with it off.

More cases are in `tests/soak/test_no_pixel_leaves.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.small_clips import make_clip
from support.ports import reserved_port
from support.privacy.searched_engine import SIZE, check, searched


@pytest.mark.parametrize("privacy", ["skeleton", "off"])
async def test_no_byte_that_leaves_shows_a_hidden_barcode_and_the_same_search_finds_shown_ones(
    privacy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = make_clip(tmp_path / "film.mp4", 250, SIZE)
    with RtspServer(files={"/film": film}, port=reserved_port()) as server:
        check(await searched(tmp_path, server.url("/film"), privacy, caplog), privacy)
