"""Clips, instructions, judge prompts, responses and verdicts.

Pure: no files except its own, no network.
"""
