"""The run on disk: its schema, writing it, reading it, and the results it holds."""
