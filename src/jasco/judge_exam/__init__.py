"""Examining a judge: the questions, asking them, and the figures."""
