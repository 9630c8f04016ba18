"""Who may send a request: tokens, browsers' sessions, origins and rate limits."""
