"""Figures: scores, agreement, intervals and comparisons, as pure functions of arrays."""
