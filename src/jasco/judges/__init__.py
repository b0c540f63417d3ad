"""Judges: one module or package per kind, and the base class in :mod:`.judge`."""
