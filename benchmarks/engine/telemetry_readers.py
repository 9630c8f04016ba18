"""Scraper of metrics and collector of traces, in the benchmark's process so that they cost the engine nothing.

Their threads and sockets last for the `with` block.
"""

from __future__ import annotations

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

SCRAPE_EVERY_S = 5.0
"""Three times the usual rate. Measured times should be a multiple, so that each run has as many scrapes."""
TIMEOUT_S = 2.0


class Scraper:
    """Fetches `http://address/metrics` every `SCRAPE_EVERY_S`, once the engine responds."""

    def __init__(self, address: str) -> None:
        self.pages = 0
        """Pages received."""
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
                continue  # not started yet, or stopped
            wait_s = SCRAPE_EVERY_S


class TraceSink:
    """Accepts traces like an OTLP collector and discards them."""

    def __init__(self) -> None:
        self.requests = 0
        """Requests with spans received."""
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
                """Keep requests out of the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="trace sink", daemon=True)

    @property
    def endpoint(self) -> str:
        """Value for `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> TraceSink:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
