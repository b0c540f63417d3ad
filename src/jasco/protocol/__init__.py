"""What is measured: clips, instructions, rubrics, responses, verdicts.

Pure: no files but its own, no network.
"""
