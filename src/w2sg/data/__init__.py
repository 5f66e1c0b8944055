"""Data: sources, the three types of examples, and the parts of a run."""
