"""Training a network on single annotated frames: what detector and extractor training share."""
