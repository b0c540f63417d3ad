"""Ports of SALMONN, LTU-AS and WavLLM to current libraries, and the code that they share."""
