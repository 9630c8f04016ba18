"""What a review of events and training on its verdicts change, on clips that were not reviewed."""
