"""Grafana dashboards based on the metrics catalogue.

Generating them requires Grafana's library (`pip install partstream[dev]`). The generated files are in
deploy/grafana/dashboards.
"""
