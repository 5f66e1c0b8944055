"""The page of a run: reads the store, computes nothing new."""
