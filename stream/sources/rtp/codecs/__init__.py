"""H.264 and H.265 in RTP: depacketisers and the syntax that access units depend on."""
