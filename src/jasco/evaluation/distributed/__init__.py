"""Runs and sweeps that are processed by several workers, on one machine or many."""
