"""Generators of the Prometheus rules and Grafana dashboards in deploy/."""
