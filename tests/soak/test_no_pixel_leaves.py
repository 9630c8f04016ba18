"""Every byte that leaves an engine is searched while its camera turns pictures, changes their size, and restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from stream.engine import Engine
from support.engines.small_clips import make_clip
from support.ports import reserved_port
from support.privacy.searched_engine import SIZE, check, searched
from support.waiting import until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.mark.parametrize("privacy", ["skeleton", "masked"])
async def test_a_turned_film_shows_no_hidden_barcode(
    privacy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = make_clip(tmp_path / "film.mp4", 250, (SIZE[1], SIZE[0]), turned=True)

    async def repeat(engine: Engine) -> None:
        await until(lambda: engine.cameras.status("film").epoch >= 2)

    check(await searched(tmp_path, str(film), privacy, caplog, repeat), privacy)


@pytest.mark.parametrize("privacy", ["skeleton", "masked", "off"])
async def test_a_change_of_size_shows_no_hidden_barcode(
    privacy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    films = [make_clip(tmp_path / f"{side}.mp4", 75, (SIZE[0], side)) for side in (360, 480)]

    async def change(engine: Engine) -> None:
        await until(lambda: engine.cameras.status("film").epoch >= 3)

    with RtspServer(files={"/film": films}, port=reserved_port()) as server:
        check(await searched(tmp_path, server.url("/film"), privacy, caplog, change), privacy)


@pytest.mark.parametrize("privacy", ["skeleton", "masked", "off"])
async def test_a_restart_of_the_camera_shows_no_hidden_barcode(
    privacy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = make_clip(tmp_path / "film.mp4", 250, SIZE)
    with RtspServer(files={"/film": film}, port=reserved_port()) as server:

        async def restart(engine: Engine) -> None:
            server.kill()
            await until(lambda: engine.cameras.status("film").state != "live")
            server.restart()
            await until(lambda: engine.cameras.status("film").epoch >= 2)

        check(await searched(tmp_path, server.url("/film"), privacy, caplog, restart), privacy)
