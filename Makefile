# Everything runs in .venv beside this file. EXTRAS chooses what is installed: `make setup EXTRAS=offline,train`.
PYTHON ?= python3
EXTRAS ?= offline
TEST_EXTRAS = offline,dev
BIN = .venv/bin
# Chromium, Docker and the like are looked for when tests run; what can't run is deselected with a line that says so.
.DEFAULT_GOAL := help
.PHONY: help setup demo train-cifar10 train-housing train-sentiment train-tweets mlflow test dev lint bench bench-long docs clean

help:  ## show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

# One stamp per set of extras, renewed when the pins change; comma is no problem in a file name.
.venv/.installed-%: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; v = sys.version_info; v[:2] == (3, 11) or sys.exit( \
		f"Python 3.11 is needed, $(PYTHON) is {v[0]}.{v[1]}: say make $(MAKECMDGOALS) PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing scriptorium[$*] into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[$*]'
	@touch '$@'

setup: .venv/.installed-$(EXTRAS)  ## install into .venv (EXTRAS=offline by default) and write dagster.yaml if there is none
	@$(BIN)/scriptorium setup

demo: setup  ## take the sample lecture through the sensor's path to a PDF and print where it is
	@$(BIN)/scriptorium demo

# Trainings need the extra `train`, whatever else is installed.
TRAIN_EXTRAS = offline,train
CIFAR10_SAMPLE = data/cache/samples/cifar10

train-cifar10: .venv/.installed-$(TRAIN_EXTRAS)  ## train the CIFAR-10 default preset to a champion (SAMPLE=1: on drawn pictures, no download)
	@$(BIN)/scriptorium setup
ifdef SAMPLE
	@$(BIN)/python samples/cifar10/make_cifar10.py $(CIFAR10_SAMPLE)/archive.tar.gz --images $(CIFAR10_SAMPLE)/images 60
	@$(BIN)/scriptorium train cifar10 --data $(CIFAR10_SAMPLE)/archive.tar.gz
	@$(BIN)/scriptorium infer cifar10 $(CIFAR10_SAMPLE)/images
else
	@$(BIN)/scriptorium train cifar10 --data official
endif

train-housing: .venv/.installed-$(TRAIN_EXTRAS)  ## train the Boston housing ensemble to a champion, and predict made-up houses
	@$(BIN)/scriptorium setup
	@$(BIN)/scriptorium train housing
	@$(BIN)/scriptorium infer housing samples/housing/new_houses.csv

TWEETS_SAMPLE = data/cache/samples/tweets
MAKE_TWEETS = $(BIN)/python samples/tweets/make_tweets.py

train-sentiment: .venv/.installed-$(TRAIN_EXTRAS),encoder  ## train a sentiment classifier for each CSV in data/inbox/sentiment (SAMPLE=1: on made-up tweets)
	@$(BIN)/scriptorium setup
ifdef SAMPLE
	@$(MAKE_TWEETS) --format words 2000 $(TWEETS_SAMPLE)/labelled.csv
	@$(MAKE_TWEETS) --format text --seed 1 20 $(TWEETS_SAMPLE)/new.txt
	@$(BIN)/scriptorium train sentiment --data $(TWEETS_SAMPLE)/labelled.csv
	@$(BIN)/scriptorium infer sentiment $(TWEETS_SAMPLE)/new.txt
else
	@$(BIN)/scriptorium train sentiment
endif

train-tweets: .venv/.installed-$(TRAIN_EXTRAS),encoder,language-model  ## train an LSTM on the tweets in data/inbox/tweets, and compare it with a transformer (SAMPLE=1: on made-up tweets)
	@$(BIN)/scriptorium setup
ifdef SAMPLE
	@$(MAKE_TWEETS) --format sentiment140 12000 $(TWEETS_SAMPLE)/tweets.csv
	@$(BIN)/scriptorium train tweets --data $(TWEETS_SAMPLE)/tweets.csv --preset fine_tuned_sample --set tweets=40
	@$(BIN)/scriptorium infer tweets --prompt "I am so happy with these"
else
	@$(BIN)/scriptorium train tweets
endif

mlflow: .venv/.installed-$(TRAIN_EXTRAS)  ## show trainings in MLflow's UI on http://127.0.0.1:5000
	@$(BIN)/scriptorium mlflow

test: .venv/.installed-$(TEST_EXTRAS)  ## run every test that can run on this machine
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

dev: setup  ## start Dagster's UI on http://127.0.0.1:3000, its daemon and the sensors
	@$(BIN)/scriptorium dev

lint: .venv/.installed-$(TEST_EXTRAS)  ## ruff, mypy, import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: .venv/.installed-$(TEST_EXTRAS)  ## benchmarks of at most 15 minutes; ends with a table of measured against aim
	@$(BIN)/python benchmarks/run.py

bench-long: .venv/.installed-$(TEST_EXTRAS)  ## all benchmarks, however long
	@$(BIN)/python benchmarks/run.py --long

docs: .venv/.installed-$(TEST_EXTRAS)  ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo "site/index.html"

clean:  ## remove what tools made; keeps .venv and your data/
	@rm -rf build site dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
