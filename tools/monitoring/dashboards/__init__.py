"""Grafana dashboards, made of the catalogue's metrics: what engines, cameras and readers do, and what is good.

Making them needs Grafana's own library (`pip install partstream[dev]`); using them needs only the JSON that was made,
deploy/grafana/dashboards.
"""
