"""How models and judges are reached: specs, chat servers, started servers, weights."""
