"""HTTP server: connections, access control and errors."""
