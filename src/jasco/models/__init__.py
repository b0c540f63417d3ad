"""Auditory LLMs: one module or package per kind, and the base class in :mod:`.model`."""
