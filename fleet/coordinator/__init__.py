"""The coordinator of a fleet: it grants engines their leases and cameras, and tells readers where each camera is."""
