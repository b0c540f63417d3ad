"""Data sets and files: audio, annotations, responses and judged CSV files, downloads of data."""
