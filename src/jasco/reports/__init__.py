"""The report and its output formats."""
