"""Human participants (listening study) and annotators."""
