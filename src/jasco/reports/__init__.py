"""What is shown: the report model, and its writers."""
