"""Running an evaluation: the plan, the preflight, the runner."""
