"""Judges: one module or folder for each kind, behind the interface in :mod:`.judge`."""
