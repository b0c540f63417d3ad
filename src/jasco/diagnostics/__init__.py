"""What is installed, and which models and judges can be named."""
