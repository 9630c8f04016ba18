"""The addresses that the HTTP server answers."""
