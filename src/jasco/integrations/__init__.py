"""Clients of the public functions that connect jasco with other frameworks."""
