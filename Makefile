# make reproduce   the default preset, from installation to claims table and figures
# make test        everything that checks the code
# Both build the virtual environment they run in; no other set-up is needed. The rest is Snakemake's (see README.md).

PRESET ?= default
CORES ?= $(shell $(PYTHON) lgn/machine.py 2>/dev/null || echo 1)
PYTHON ?= python3
TORCH ?= auto
VENV ?= .venv
DOCS_VENV := .venv-docs

READY := $(VENV)/.complete
BIN := $(VENV)/bin
CONFIGS := $(PRESET:%=config/%.yaml)
# Where there is no home to write caches to, Snakemake would end in a traceback, and matplotlib look for its fonts ever anew.
ifneq ($(shell cache="$${XDG_CACHE_HOME:-$$HOME/.cache}"; mkdir -p "$$cache" 2>/dev/null && test -w "$$cache" && echo yes),yes)
CACHES := XDG_CACHE_HOME=$(abspath $(VENV))/.cache MPLCONFIGDIR=$(abspath $(VENV))/.cache/matplotlib
endif
SNAKEMAKE := $(CACHES) $(BIN)/snakemake --cores $(CORES)

.DEFAULT_GOAL := help
.PHONY: help reproduce figures report leaderboard entrant validate benchmark test test-all coverage lint format docs clean

help:
	@echo "make reproduce   train, analyse and draw a preset (PRESET=default; CORES=$(CORES))"
	@echo "make figures     figures and tables of the results kept here, no training; with PRESET=x those of a preset, trained if need be"
	@echo "make report      one HTML page of a finished preset: results/$(PRESET)/report.html"
	@echo "make leaderboard trials and final runs of every method, and their page;  make entrant METHOD=x  one method against them"
	@echo "make validate    checks the records in results/contributed/*"
	@echo "make benchmark   speed against other implementations, into results/benchmarks (on an idle machine)"
	@echo "make test        linters, then all tests"
	@echo "make test-all    the long ones too: kills, fuzzing, a cluster where Slurm is installed"
	@echo "make coverage    the tests once more, and the lines that none of them runs"
	@echo "make lint        linters and the type checker alone;  make format  rewrites to the style they check"
	@echo "make docs        these pages as a site, into site/"
	@echo "make clean       removes $(VENV), $(DOCS_VENV), the site and caches; records, figures and data stay"
	@echo "presets: $(basename $(notdir $(wildcard config/*.yaml)))"
	@echo "variables: PRESET (one, or several in quotes), CORES, PYTHON=python3.12, TORCH=auto|cpu|default, VENV=.venv"

reproduce: $(CONFIGS) $(READY)
	@set -e; for config in $(CONFIGS); do $(SNAKEMAKE) --configfile $$config; done

ifeq ($(origin PRESET),file)
figures: $(READY)
	$(BIN)/python -m analysis redraw
else
figures: $(CONFIGS) $(READY)
	@set -e; for config in $(CONFIGS); do $(SNAKEMAKE) figures tables --configfile $$config; done
endif

report: $(CONFIGS) $(READY)
	$(BIN)/python -m analysis report --results results/$(PRESET) --output paper_figures/$(PRESET)

# Trials, the choice of each method's best, final runs, and the page of both.
TRIALS := config/leaderboard_trials.yaml
leaderboard: $(READY)
	$(SNAKEMAKE) collect --configfile $(TRIALS)
	$(BIN)/python -m analysis choose --trials $(TRIALS) --tried results/leaderboard_trials --output results/leaderboard.yaml
	$(SNAKEMAKE) leaderboard --configfile results/leaderboard.yaml

# One method on the smallest net, compared with the results kept of the others.
FIELD := --field-trials $(TRIALS) --field-tried results/reference/leaderboard_trials --field results/reference/leaderboard
entrant: $(READY)
	@test -n "$(METHOD)" || { echo "make: METHOD: is missing; allowed: make entrant METHOD=name, a method of lgn/methods" >&2; exit 2; }
	$(BIN)/python -m analysis entrant $(METHOD) --trials $(TRIALS) --output results/$(METHOD)_trials.yaml
	$(SNAKEMAKE) collect --configfile results/$(METHOD)_trials.yaml
	$(BIN)/python -m analysis choose --trials results/$(METHOD)_trials.yaml --tried results/$(METHOD)_trials --name $(METHOD) --output results/$(METHOD).yaml
	$(SNAKEMAKE) collect --configfile results/$(METHOD).yaml
	$(BIN)/python -m analysis against --trials results/$(METHOD)_trials.yaml --tried results/$(METHOD)_trials --results results/$(METHOD) $(FIELD)

validate: $(READY)
	@for folder in $(wildcard results/contributed/*/); do $(BIN)/python -m analysis validate $$folder --trials $(TRIALS) || exit; done

benchmark: $(READY)
	$(BIN)/python -m pip install --quiet --quiet --no-deps --requirement requirements-benchmarks.txt
	$(BIN)/python -m benchmarks

test: lint
	$(BIN)/pytest --numprocesses $(CORES) --dist loadfile

test-all: lint
	$(BIN)/pytest --numprocesses $(CORES) --dist loadfile -m "long or not long"

# Slower than the tests alone: not for CI. TESTS: some of their files.
coverage: $(READY)
	$(BIN)/pytest --numprocesses $(CORES) --dist loadfile --cov --cov-report=term --cov-report=html $(TESTS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile config/smoke.yaml

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

docs: $(DOCS_VENV)/.complete
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

clean:
	if [ -e $(VENV)/.made-by-make ]; then rm -rf $(VENV); fi
	if [ -e $(DOCS_VENV)/.complete ]; then rm -rf $(DOCS_VENV); fi
	rm -rf build site lgn_bench.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find lgn analysis benchmarks tests -name __pycache__ -prune -exec rm -rf {} +

config/%.yaml:
	@echo "make: PRESET=$*: no file $@; allowed: $(basename $(notdir $(wildcard config/*.yaml)))" >&2; exit 2

$(DOCS_VENV)/.complete: requirements-docs.txt constraints.txt
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --quiet --constraint constraints.txt --requirement $<
	@touch $@

# Written last, so that an interrupted installation is begun anew.
$(READY): requirements.txt requirements-test.txt constraints.txt pyproject.toml workflow/envs/install.sh
	@workflow/envs/install.sh $(VENV) $(PYTHON) $(TORCH)
	@touch $@
