"""How it runs: the run store, the runner, and the results that a run or judged files hold."""
