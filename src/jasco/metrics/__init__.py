"""Figures: scores, agreement, intervals, comparisons. Pure functions on arrays."""
