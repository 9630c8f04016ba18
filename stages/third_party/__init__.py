"""Third-party weights: catalogue, download and verification."""
