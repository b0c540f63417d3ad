"""Access to models and judges: specs, chat servers, launched servers, weights."""
