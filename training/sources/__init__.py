"""Sources of training sequences: captures, poses, tracks, generated motion and annotated videos."""
