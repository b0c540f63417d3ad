"""Who marks: judges, one module a kind, behind the interface of :mod:`.judge`."""
