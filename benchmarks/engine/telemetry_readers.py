"""Those for whom an engine tells about itself: a Prometheus that scrapes it and a collector that takes its traces.

Owns their threads and sockets, in the measuring process, so that what reading costs isn't the engine's. They end with
the `with` block.
"""

from __future__ import annotations

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

SCRAPE_EVERY_S = 5.0
"""Thrice as often as is usual. A measured time that is a multiple of it has as many scrapes in every run."""
TIMEOUT_S = 2.0


class Scraper:
    """Fetches `http://address/metrics` every `SCRAPE_EVERY_S`, once there is a page."""

    def __init__(self, address: str) -> None:
        self.pages = 0
        """Pages that came."""
        self._url = f"http://{address}/metrics"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._scrape, name="scraper", daemon=True)

    def __enter__(self) -> Scraper:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _scrape(self) -> None:
        wait_s = 0.2
        while not self._ended.wait(wait_s):
            try:
                with urllib.request.urlopen(self._url, timeout=TIMEOUT_S) as answer:
                    self.pages += b"partstream_frames_decoded_total" in answer.read()
            except OSError:
                continue  # not there yet, or no longer
            wait_s = SCRAPE_EVERY_S


class TraceSink:
    """Takes what is posted to `endpoint`, as an OTLP collector does, and looks at none of it."""

    def __init__(self) -> None:
        self.requests = 0
        """Requests with spans that came."""
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                sink.requests += self.path == "/v1/traces"
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Not to the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="trace sink", daemon=True)

    @property
    def endpoint(self) -> str:
        """For `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> TraceSink:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
