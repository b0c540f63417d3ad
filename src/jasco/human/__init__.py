"""Human participants and annotators."""
