"""The small HTTP server: metrics, health, readiness."""
