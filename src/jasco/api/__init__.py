"""The public functions, one for each command; ``jasco`` exports them."""
