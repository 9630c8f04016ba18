"""Generators of Prometheus rules and Grafana dashboards under deploy/."""
