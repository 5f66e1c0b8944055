"""The page of a finished run and the card of its model; reads the store, computes nothing new."""
