"""Judges: one module or folder for each kind, with the base class in :mod:`.judge`."""
