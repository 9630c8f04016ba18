"""What clients have sent to a bound socket and nobody has read."""
