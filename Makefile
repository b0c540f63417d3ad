# Needs Python 3.11 or newer, pip and make; everything else comes into VENV.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast test-slow check docs validators clean

# A complete evaluation on a bare machine. If it is interrupted, the same command continues.
demo: $(VENV)/demo
	$(BIN)/jasco eval cascade --data mini --judge offline --run runs/demo --published
	$(BIN)/jasco report runs/demo -o runs/demo.html
	@echo
	@echo "The same as a page with all clips, answers and verdicts: open runs/demo.html in a browser."
	@echo "Or start the local app, which also shows runs in progress:"
	@echo "  $(BIN)/jasco view runs/demo"
	@echo
	@echo "What next? The same with your own model, behind a server or as a Python function:"
	@echo "  $(BIN)/jasco eval openai/MODEL,base_url=http://HOST:PORT/v1 --data mini --judge offline --run runs/mine"
	@echo "  $(BIN)/jasco eval python/my_model:answer --data mini --judge offline --run runs/function"
	@echo "Then --data watd for the published clips, and judges that you can publish: see README.md."

test: check test-fast

# Several tests run at once: more threads for small matrices would only wait for a free core.
test-fast test-slow: export OMP_NUM_THREADS = 1
test-fast test-slow: export OPENBLAS_NUM_THREADS = 1

# Most tests wait for processes of their own, so two cores have room for three at a time.
test-fast: $(VENV)/installed
	$(BIN)/pytest --numprocesses 3 --dist worksteal

# The second tier: simulations, kills, real models, whole runs and commands, whatever needs torch.
test-slow: $(VENV)/torch
	$(BIN)/pytest -m 'slow or oracle' --numprocesses 4 --dist worksteal --timeout 1200 --durations 12

check: $(VENV)/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation, in docs/_build/html. Any warning is an error.
docs: $(VENV)/docs
	$(BIN)/sphinx-build -E -W --keep-going --quiet docs docs/_build/html

$(VENV)/docs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[cascade,stems,test,viewer]'
	$(BIN)/python -m compileall -q src  # the tests start many processes
	touch $@

# One that works on a processor as well; another one that is there already will do.
TORCH ?= torch==2.13.0

$(VENV)/torch: $(VENV)/installed
	$(BIN)/python -c 'import torch' 2> /dev/null || $(BIN)/pip install --quiet '$(TORCH)'
	$(BIN)/pip install --quiet --editable '.[inspect,native,ray,slurm,transformers]' accelerate
	touch $@

# The packages of those who receive published results and data sets (tests/end_to_end/test_validators.py).
# They need Python 3.12 or newer; uv installs them several times as fast as pip.
VALIDATORS ?= .venv-validators
PACKAGES := 'datasets>=5' 'every-eval-ever>=0.3' 'huggingface_hub>=1' 'mlcroissant>=1.1'

validators: $(VALIDATORS)/validators

$(VALIDATORS)/validators: Makefile
	$(PYTHON) -m venv $(VALIDATORS)
	$(VALIDATORS)/bin/pip install --quiet uv
	$(VALIDATORS)/bin/uv pip install --quiet --python $(VALIDATORS)/bin/python $(PACKAGES) \
	  || $(VALIDATORS)/bin/pip install --quiet $(PACKAGES)
	touch $@

$(VENV)/demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --editable '.[cascade,viewer]'
	touch $@

clean:
	rm -rf $(VENV) $(VALIDATORS)
