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

# Flink and Kafka Streams (a JDK and Maven) and the floor in Go.
BENCH_JVM := .cache/bench/jvm/.ready
BENCH_FLOOR := .cache/bench/floor/floor

$(BENCH_JVM): $(shell find benchmarks/contenders/jvm -type f)
	mvn -q -B -f benchmarks/contenders/jvm/pom.xml -Dfolder=$(abspath .cache/bench/jvm) compile dependency:copy-dependencies -DincludeScope=runtime
	@touch $@

$(BENCH_FLOOR): $(wildcard benchmarks/contenders/floor/*)
	cd benchmarks/contenders/floor && go build -o $(abspath $@) .

.PHONY: bench-all
bench-all: $(DEV_STAMP) $(KAFKA_READY) $(BENCH_JVM) $(BENCH_FLOOR) ## Measure a worker beside Flink, Kafka Streams and Go; needs a JDK, Maven and Go (ten minutes)
	$(BIN)/python -m benchmarks.engine.everybody $(BENCH_ARGS)

.PHONY: bench-forms
bench-forms: $(DEV_STAMP) ## What a result costs in the forms in which others write it, beside our own form (half a minute)
	$(BIN)/python -m benchmarks.forms
