"""The figures: scores, agreement, intervals, comparisons. Pure functions on arrays."""
