"""What an installation can run, and what it lacks."""
