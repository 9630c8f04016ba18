"""Endpoints of the HTTP server."""
