"""The public functions: what every command does, from Python; ``jasco`` exports them."""
