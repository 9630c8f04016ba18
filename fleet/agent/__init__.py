"""What runs on each node: it keeps the node's engine running, and tells the coordinator when it ended."""
