"""Data sets and files: audio, annotations, responses CSVs, judged CSVs, downloads."""
