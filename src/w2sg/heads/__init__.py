"""Heads on frozen features: linear solvers, their leave-one-out, and the choice of a penalty."""
