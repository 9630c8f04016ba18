"""Sources read through FFmpeg's demuxers: files, devices and RTSP fallback."""
