"""What the engine tells about itself: metrics, health, logs. Imports nothing of the engine that it watches."""
