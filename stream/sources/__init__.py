"""The ways in: one file each, all of them a transport, a decoder and a clock."""
