"""What `partstream top` shows of a running engine, by the engine's own HTTP API and metrics."""
