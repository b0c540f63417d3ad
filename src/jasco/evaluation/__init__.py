"""Evaluation of a model in a run: the job, its plan, the session, the preflight and the runner."""
