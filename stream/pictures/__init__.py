"""Drawing on and encoding of pictures: JPEGs, video, text and colours."""
