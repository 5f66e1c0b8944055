.PHONY: env demo test test-all check docs benchmarks
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
env: $(VENV)/.ready
