# make help lists the targets. All of them work in .venv, made from requirements.txt.

SHELL := bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
# --no-compile: each module is compiled when it's first used, and most never are: half the time
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --no-compile

# Threads that spin for long while they wait for each other get in each other's way on a busy machine: let them sleep soon.
export GOMP_SPINCOUNT ?= 20000
export HF_HUB_DISABLE_TELEMETRY ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo demo-llm study serve test lint bench-gpu clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED) ## make .venv and install requirements.txt

$(INSTALLED): requirements.txt requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch==2.13.0
	$(INSTALL) -r requirements.txt -r requirements-dev.txt
	touch $@

STAGES = 1_emoji.py 2_generate.py 3_validate.py 4_combine.py 4_combine_eval.py 5_train.py 6_plot.py 7_evaluate.py

# each with its name before, and the seconds that it took behind
EACH = TIMEFORMAT="%0R s"; for stage in $(STAGES); do echo "--- $$stage"; time

# TASK=combination, chat, story or gpt2: the same stages learn something else, by recipes/$(TASK).yaml
RECIPE = $(if $(TASK),--config recipes/$(TASK).yaml)
# make study LIMIT=20: all emoji, but so few rows of each file
FEW = $(if $(LIMIT),--limit $(LIMIT))

# FLAGS goes to every stage, so it takes what all of them know; what one stage knows belongs in a recipe
demo: $(INSTALLED) ## all stages into runs/demo, then the results (TASK=story: another task; FLAGS="--limit 300 --run small": a quick look)
	@$(EACH) $(RUN) $$stage $(RECIPE) $(FLAGS) || exit; done

demo-llm: $(INSTALLED) ## the same with a small language model, built from scratch, into runs/demo-llm
	@$(EACH) $(RUN) $$stage --config recipes/tiny.yaml $(FLAGS) || exit; done

study: $(INSTALLED) ## the overfitting study: 1, 2, 3 and 5 epochs against the untuned base
	$(RUN) 1_emoji.py --config recipes/overfitting.yaml $(FLAGS)
	@for stage in $(filter 2_% 3_% 4_%,$(STAGES)); do $(RUN) $$stage --config recipes/overfitting.yaml $(FEW) $(FLAGS) || exit; done
	$(RUN) -m emojisummary.study --config recipes/overfitting.yaml $(FEW) $(FLAGS)

serve: $(INSTALLED) ## try the model of runs/demo in the browser (FLAGS="--model runs/other --port 8001")
	$(RUN) -m emojisummary.serve $(FLAGS)

test: $(INSTALLED) ## lint and run the tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --maxprocesses 4

lint: $(INSTALLED) ## put the code into shape
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench-gpu: $(INSTALLED) ## what training takes on a GPU of 8 GB, both back ends, into benchmarks/results/gpu.md
	$(INSTALL) -r requirements-gpu.txt
	$(RUN) benchmarks/gpu.py

clean: ## remove all runs, the trained models too; .venv stays
	rm -rf runs
