"""Diagnostics of the installation, and listings of the providers."""
