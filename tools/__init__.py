"""Build-time generators of documentation and monitoring files. Not part of the wheel."""
