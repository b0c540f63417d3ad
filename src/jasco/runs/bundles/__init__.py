"""Bundles: runs as files that others can check."""
