"""Settings of access to the HTTP server."""
