"""Clips, instructions, judge prompts, responses and verdicts.

Pure functions and data classes: no network, and no files except the prompts.
"""
