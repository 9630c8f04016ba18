"""A collector of traces (OTLP over HTTP) that can be slow or refuse requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True)
class Received:
    """A received span. Ids are hexadecimal, times nanoseconds since 1970."""

    name: str
    trace: str
    span: str
    parent: str
    began_ns: int
    ended_ns: int
    attributes: dict[str, str | int]
    links: list[tuple[str, str]]
    error: str


@dataclass
class Collector:
    """Received spans, and how requests are answered: with `status`, after `delay_s`."""

    port: int = 0
    status: int = 200
    delay_s: float = 0.0
    spans: list[Received] = field(default_factory=list[Received])
    resources: list[dict[str, str | int]] = field(default_factory=list[dict[str, str | int]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    _runner: web.AppRunner | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def named(self, name: str) -> list[Received]:
        """Return the spans of this name."""
        return [span for span in self.spans if span.name == name]

    def children(self, of: Received) -> list[Received]:
        """Return the direct children of a span, the earliest first."""
        found = [span for span in self.spans if (span.trace, span.parent) == (of.trace, of.span)]
        return sorted(found, key=lambda span: span.began_ns)

    async def _take(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay_s)
        if self.status != 200:
            return web.Response(status=self.status)
        assert request.content_type == "application/x-protobuf"
        body = await request.read()  # aiohttp has decompressed it
        self.headers.append(dict(request.headers))
        self.spans += list(self._spans(ExportTraceServiceRequest.FromString(body)))
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    def _spans(self, request: ExportTraceServiceRequest) -> Iterator[Received]:
        for of_resource in request.resource_spans:
            self.resources.append(_values(of_resource.resource.attributes))
            for of_scope in of_resource.scope_spans:
                assert of_scope.scope.name == "partstream"
                yield from map(_received, of_scope.spans)


def _received(span: Span) -> Received:
    failed = span.status.code == Status.StatusCode.STATUS_CODE_ERROR
    return Received(
        name=span.name,
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        attributes=_values(span.attributes),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        error=span.status.message if failed else "",
    )


def _values(attributes: object) -> dict[str, str | int]:
    return {
        pair.key: pair.value.int_value if pair.value.HasField("int_value") else pair.value.string_value
        for pair in attributes  # type: ignore[attr-defined]
    }
