"""What is measured: clips, instructions, rubric, verdicts, scores. No network, clock or model."""
