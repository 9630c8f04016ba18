"""`partstream top`: a running engine in a terminal, read over its HTTP API and metrics."""
