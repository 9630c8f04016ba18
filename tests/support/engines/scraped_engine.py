"""An engine that runs in a separate thread, so that several tests can share it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType

from stream.config import Config
from stream.engine import Engine


class ScrapedEngine:
    """`with ScrapedEngine(config) as running: running.engine, running.address`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._started: Future[Engine] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    def __enter__(self) -> ScrapedEngine:
        self._thread.start()
        self.engine = self._started.result()
        assert self.engine.http_address is not None
        self.address = self.engine.http_address.removeprefix("http://")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _live(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with Engine(self._config) as engine:
                self._started.set_result(engine)
                await self._over.wait()
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise
