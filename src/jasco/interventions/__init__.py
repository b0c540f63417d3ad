"""Causal modality reliance: stems, gates, conditions and their runs."""
