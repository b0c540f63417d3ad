"""The run on disk: its schema, writing, reading, and the results in it."""
