# Each target creates what it needs and re-runs fast.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test check campaign bench console wheel sbom world-pack clean

$(VENV)/.ready: pyproject.toml scripts/setup.sh scripts/warm_up.py
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh
	touch $@

demo: $(VENV)/.ready console   ## 50,000 terminals judged on real borders, with maps; writes demo-out/, and on a terminal serves it
	@if [ -t 1 ]; then $(BIN)/groundrule demo --out demo-out --serve; else $(BIN)/groundrule demo --out demo-out; fi

# Compiled modules are kept even if the shell says otherwise: else both workers and every process they start compile all anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.ready console   ## format, lint, types, then every test
	$(BIN)/ruff check src tests benchmarks scripts tools
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: test

campaign: $(VENV)/.ready      ## the long counts (a million points, 100,000 rulebooks); results go into docs/campaign.md
	$(BIN)/pip install --quiet -e '.[campaign]'
	$(BIN)/python scripts/campaign.py

bench: $(VENV)/.ready         ## every benchmark against its peer, into docs/benchmarks.md; exits 1 where one fails or misses a goal (ARGS="--only decide", ARGS=--quick)
	$(BIN)/pip install --quiet -e '.[bench]'
	$(BIN)/python benchmarks/run_all.py $(ARGS)

console: $(VENV)/.ready       ## the web console, built into the package; does nothing when it is built
	$(BIN)/python scripts/build_console.py || echo "groundrule: the service will run without its console" >&2

wheel: $(VENV)/.ready console ## the same sources give the same bytes; the console is in it
	$(BIN)/python scripts/build_wheel.py

sbom: $(VENV)/.ready          ## bill of materials of what is installed (CycloneDX)
	$(BIN)/python scripts/build_sbom.py

world-pack: $(VENV)/.ready    ## rebuild the shipped world areas from the npm package
	$(BIN)/python scripts/build_world_pack.py

clean:
	rm -rf $(VENV) demo-out .cache
