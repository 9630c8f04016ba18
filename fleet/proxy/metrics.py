"""The proxy's Prometheus metrics. They are read from its counters when the page is requested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleet.proxy.proxy import Proxy
from telemetry.catalogue import MetricSpec

METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("fleet_proxy_messages_total", "counter", "Messages passed on.", ("kind",)),
    MetricSpec("fleet_proxy_stale_total", "counter", "Discarded messages of placements that a later one has replaced."),
    MetricSpec("fleet_proxy_lost_total", "counter", "Messages of engines that replay could not provide."),
    MetricSpec("fleet_proxy_moves_total", "counter", "Cameras that went on with a later placement."),
    MetricSpec("fleet_proxy_engines", "gauge", "Engines that are read."),
    MetricSpec("fleet_proxy_subscriptions", "gauge", "Subscriptions of connected subscribers."),
    MetricSpec("fleet_proxy_refused_total", "counter", "Connections refused because the client's key is not listed."),
    MetricSpec("fleet_proxy_http_refused_total", "counter", "HTTP requests and connections refused.", ("reason",)),
)

Series = tuple[tuple[str, ...], float]


def read(proxy: Proxy, http_refused: Mapping[str, int]) -> dict[str, Iterable[Series]]:
    """Return the present values by name. Called in the event loop."""
    return {
        "fleet_proxy_messages_total": [((kind,), count) for kind, count in proxy.passed.items()],
        "fleet_proxy_stale_total": [((), proxy.counts.stale)],
        "fleet_proxy_lost_total": [((), proxy.counts.lost)],
        "fleet_proxy_moves_total": [((), proxy.moves)],
        "fleet_proxy_engines": [((), proxy.engines)],
        "fleet_proxy_subscriptions": [((), proxy.subscriptions)],
        "fleet_proxy_refused_total": [((), proxy.refused)],
        "fleet_proxy_http_refused_total": [((reason,), count) for reason, count in http_refused.items()],
    }
