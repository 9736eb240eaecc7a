# From a fresh clone, with Python 3.10 or newer and nothing else: `make app` serves the page, `make test` runs all checks,
# `make checkpoint` makes the network's weights anew (train/README.md).
# pip's own options and variables (PIP_INDEX_URL, ...) are respected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Debian packages, where that is possible without asking for a password; nothing depends on their success.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo -n)
apt-install = $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y

.PHONY: setup app test checkpoint hand release dataset clean

setup: $(VENV)/.app-ready $(VENV)/.system-ready

app: setup
	$(BIN)/python app.py

test: setup $(VENV)/.test-ready $(VENV)/.browser-ready $(VENV)/.gltf-ready
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
	$(BIN)/ruff check .

# What is not said is for the commands to say (`python -m train.make_checkpoint --help`).
RECIPE ?= train/recipes/handpose.yaml
CHECKPOINT = $(or $(OUT),runs/handpose)
option = $(if $($(1)),$(2) "$($(1))")
make-checkpoint = $(BIN)/python -m train.make_checkpoint "$(RECIPE)" --out "$(CHECKPOINT)" $(call option,WORK,--work) \
	$(call option,PHOTOS,--photos) $(call option,BACKGROUNDS,--backgrounds) $(call option,PHOTOS_3D,--photos-3d) \
	$(call option,SIDE,--side) $(call option,WHOLE_PHOTOS,--whole-photos) $(call option,DEVICES,--devices) $(call option,WORKERS,--workers) \
	$(if $(COUNT)$(STEPS),--set $(if $(COUNT),renders=$(COUNT)) $(if $(STEPS),run.steps=$(STEPS)))

checkpoint: $(VENV)/.train-ready
	$(make-checkpoint)

# Learns the landmark model's joint convention anew and bakes the open hand with it.
hand: $(VENV)/.train-ready
	$(BIN)/python -m pip install -e '.[bake]'
	$(make-checkpoint) --hand

# Makes a checkpoint the repository's own: make release FROM=runs/handpose.
release: $(VENV)/.train-ready
	$(BIN)/python -m train.release "$(or $(FROM),$(CHECKPOINT))"

# Renders as a data set of their own: make dataset COUNT=20000 OUT=work/dataset, and if they are there
# POSES=work/fits_3-KEY/fits.npz HELD_OUT="SETS" BACKGROUNDS=work/backgrounds-KEY/all (folders with a credits.csv, as
# train.fetch_backgrounds writes them).
dataset: $(VENV)/.train-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m train.make_dataset "$(or $(OUT),work/dataset)" $(call option,COUNT,--count) \
		$(call option,WORKERS,--workers) $(call option,POSES,--poses) $(if $(HELD_OUT),--held-out $(HELD_OUT)) \
		$(if $(BACKGROUNDS),--backgrounds $(BACKGROUNDS))

clean:
	rm -rf $(VENV) *.egg-info build dist .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(apt-install) python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.app-ready: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/.train-ready: requirements.txt pyproject.toml | $(VENV)/.app-ready
	$(BIN)/python -m pip install -e '.[train]'
	touch $@

# Compiled as they are imported: most of torch never is.
$(VENV)/.test-ready: requirements.txt pyproject.toml | $(VENV)/.app-ready
	$(BIN)/python -m pip install --no-compile -e '.[train,test]'
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

# Programs that read glTF; without Node.js the test by them is skipped.
$(VENV)/.gltf-ready: benchmarks/gltf/package.json | $(BIN)/python
	@if command -v npm >/dev/null; then \
		npm install --prefix benchmarks/gltf --no-package-lock --no-audit --no-fund --silent \
			|| echo "glTF's validator and three.js were not installed: their test is skipped."; \
	fi
	touch $@
