"""A second look with MoveNet Thunder at people whom the first one shows badly or not at all."""
