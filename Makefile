.PHONY: env demo test test-all check docs benchmarks floors lock clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH := torch==2.13.0
# two test processes on two cores: more threads would only wait for each other
ONE_THREAD := OMP_NUM_THREADS=1
CUDA := triton setuptools cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
  nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand \
  nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink \
  nvidia-nvshmem-cu13 nvidia-nvtx

env: $(READY)

# torch first and by pip, so that a build without CUDA is taken where pip is told of one;
# everything else comes from the lock, by hash
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(0 if (3, 11) <= v <= (3, 13) else f"w2sg needs Python 3.11 to 3.13, {sys.executable} is {v[0]}.{v[1]}; say which with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	$(BIN)/w2sg run demo.toml

test: $(READY)
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

test-all: $(READY)
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 --dist worksteal

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/unit/test_docs.py

# what takes arguments and hours is run by hand
STUDIES := benchmarks/attention_roles.py benchmarks/default_rates.py benchmarks/defaults_on_pseudo_labels.py

benchmarks: $(READY)
	for file in $(filter-out $(STUDIES),$(wildcard benchmarks/*.py)); do $(BIN)/python $$file || exit 1; done

# with the oldest versions that pyproject.toml allows; before a release
floors:
	$(PYTHON) scripts/floors.py

lock:
	printf '$(TORCH)\n' > .constraints.txt
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --constraints .constraints.txt \
	  --no-emit-package torch $(foreach name,$(CUDA),--no-emit-package $(name)) -o requirements.lock
	rm .constraints.txt

clean:
	rm -rf $(VENV) .w2sg
