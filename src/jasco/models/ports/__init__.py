"""Ports of the published systems SALMONN, LTU-AS and WavLLM, and what they share."""
