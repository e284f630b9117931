# The engine beside other stream processors. These live in an environment of their own: Bytewax needs Python 3.11.
BENCH_READY := .cache/bench/.ready

$(BENCH_READY): requirements/bench.txt
	$(PYTHON) -m venv .cache/bench/venv
	.cache/bench/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: bench
bench: $(DEV_STAMP) $(KAFKA_READY) $(BENCH_READY) ## Measure the engine beside Faust, Quix, Bytewax; write docs/benchmarks.md (half an hour)
	$(BIN)/python -m benchmarks.engine $(BENCH_ARGS)
	$(if $(BENCH_ARGS),,$(BIN)/python -m benchmarks.engine.live)

.PHONY: bench-live
bench-live: $(DEV_STAMP) $(KAFKA_READY) ## Measure what a live worker costs at a steady pace; write its table (a quarter of an hour)
	$(BIN)/python -m benchmarks.engine.live $(BENCH_ARGS)
