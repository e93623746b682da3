# Two commands: `make demo` and `make test`. Both make their own virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
WORKERS ?= 2

.PHONY: demo test test-slow check format bench docs fixtures clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

# What a user installs.
$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[cli]'
	touch $@

# All extras, and what the tests, checks and docs need (pip reads the dependency groups of pyproject.toml).
# torch goes first and alone: the pin in constraints.txt is the only small build.
$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[all]' --group test --group check --group docs
	touch $@ $(VENV)/.demo

node_modules/axe-core/axe.min.js: package.json
	@command -v npm >/dev/null && npm install --no-audit --no-fund --no-package-lock --silent \
		|| echo "npm is not installed: the accessibility test will be skipped"

demo: $(VENV)/.demo
	$(BIN)/neff demo -o neff-demo.html

test: $(VENV)/.dev node_modules/axe-core/axe.min.js
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not slow"
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --doctest-modules src/neff

test-slow: $(VENV)/.dev
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m slow

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(VENV)/.dev
	$(BIN)/zensical build --clean --strict

# Logs of the real producers, made offline in environments of their own (they need dozens of packages, in versions that
# do not fit together); and what no run gives, traps of old versions above all, from what their source says.
PRODUCERS := alpaca_eval:alpaca-eval,setuptools<81 helm:crfm-helm lighteval:lighteval,xxhash<4 \
	opencompass:opencompass,pyarrow<21 verifiers:verifiers
fixtures: $(VENV)/.dev
	$(PYTHON) -m venv $(VENV)-fixtures
	$(VENV)-fixtures/bin/python -m pip install -q torch==2.13.0
	$(VENV)-fixtures/bin/python -m pip install -q -c constraints.txt inspect-ai lm-eval zstandard
	$(VENV)-fixtures/bin/python tests/fixtures/make_fixtures.py
	sh tests/fixtures/make_promptfoo.sh
	for each in $(foreach each,$(PRODUCERS),'$(each)'); do \
		name=$${each%%:*}; packages=$$(echo "$${each#*:}" | tr , ' '); \
		$(PYTHON) -m venv $(VENV)-$$name && $(VENV)-$$name/bin/python -m pip install -q torch==2.13.0 $$packages \
			&& $(VENV)-$$name/bin/python tests/fixtures/make_$$name.py || exit 1; \
	done
	python3.12 -m venv $(VENV)-every_eval_ever && $(VENV)-every_eval_ever/bin/python -m pip install -q every-eval-ever
	$(VENV)-every_eval_ever/bin/python tests/fixtures/make_every_eval_ever.py
	$(PIP) install --no-deps --target $(VENV)-fixtures/extra cachetools fastapi uvicorn starlette h11 ipython traitlets
	PYTHONPATH=$(VENV)-fixtures/extra $(BIN)/python tests/fixtures/make_training.py
	$(BIN)/python tests/fixtures/make_built_fixtures.py

clean:
	rm -rf $(VENV) $(VENV)-* node_modules site .cache build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
