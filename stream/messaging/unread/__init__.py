"""Bytes that clients have sent to a bound socket and that are unread."""
