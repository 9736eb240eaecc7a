# From a fresh clone, with Python 3.10 or newer and nothing else: `make app` serves the page, `make test` runs all checks,
# `make checkpoint` makes the network's weights anew (train/checkpoint.mk).
# pip's own options and variables (PIP_INDEX_URL, ...) are respected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Debian packages, where that is possible without asking for a password; nothing depends on their success.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo -n)
apt-install = $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y

.PHONY: setup app test clean dataset

setup: $(VENV)/.app-ready $(VENV)/.system-ready

app: setup
	$(BIN)/python app.py

test: setup $(VENV)/.test-ready $(VENV)/.browser-ready
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
	$(BIN)/ruff check .

# Renders as a data set of their own: make dataset COUNT=20000 OUT=work/dataset, and if they are there POSES=work/fits.npz
# HELD_OUT="SETS" BACKGROUNDS="DIR ..." (folders with a credits.csv, as train.fetch_backgrounds writes them).
OUT ?= work/dataset
dataset: $(VENV)/.train-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m train.make_dataset $(OUT) --count $(COUNT) --workers $(WORKERS) \
		$(if $(POSES),--poses $(POSES) $(if $(HELD_OUT),--held-out $(HELD_OUT))) \
		$(if $(BACKGROUNDS),--backgrounds $(BACKGROUNDS))

clean:
	rm -rf $(VENV) *.egg-info build dist .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(apt-install) python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.app-ready: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/.test-ready: requirements.txt pyproject.toml | $(VENV)/.app-ready
	$(BIN)/python -m pip install -e '.[train,test]'
	touch $@

# OpenGL for the overlay; without it a slower software path draws.
$(VENV)/.system-ready: packages.txt | $(BIN)/python
	-@if command -v dpkg >/dev/null && ! dpkg -s $$(cat packages.txt) >/dev/null 2>&1; then \
		$(apt-install) $$(cat packages.txt) || echo "OpenGL was not installed: overlays take the software path."; \
	fi
	touch $@

# A browser for the page's test: one that is there, else Debian's, else Playwright's.
$(VENV)/.browser-ready: | $(VENV)/.test-ready
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
		|| { command -v apt-get >/dev/null && { $(apt-install) chromium; } && command -v chromium; } \
		|| $(BIN)/playwright install chromium
	touch $@

include train/checkpoint.mk
