"""Subscriptions to published messages: what all have in common, and the one to a single engine."""
