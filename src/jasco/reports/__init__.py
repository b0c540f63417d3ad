"""What is shown: the summary that scripts read, the table that people read."""
