"""The learned stages after features: relevance, part states, part graph and action LSTM (docs/method.md)."""
