# Apache Kafka for the integration tests: the same that `netdusk up` runs, fetched by it into the user's cache.
KAFKA_READY := .cache/kafka/.ready

servers:: $(KAFKA_READY)

$(KAFKA_READY): streams/local/kafka.lock $(DEV_STAMP)
	@mkdir -p $(@D)
	$(BIN)/netdusk broker fetch
	@touch $@

# The lock, anew, after a change of make/kafka/pom.xml. For whoever raises the version: it wants Maven.
.PHONY: lock-kafka
lock-kafka: $(DEV_STAMP) ## Pin the embedded broker's jars by hash, from make/kafka/pom.xml
	@rm -rf .cache/kafka/repository
	mvn -q -B -f make/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -Dmdep.useRepositoryLayout=true -DoutputDirectory="$(CURDIR)/.cache/kafka/repository"
	$(BIN)/python -m tools.kafka_lock .cache/kafka/repository

SOAK_SECONDS ?= 1800
SOAK_LIVE_SECONDS ?= 1800
SOAK_SEED ?= 1

.PHONY: soak
soak: $(DEV_STAMP) $(KAFKA_READY) ## Kill, freeze and cut everything for an hour (SOAK_SECONDS, SOAK_LIVE_SECONDS, SOAK_SEED), then compare
	$(BIN)/python -m tests.faults.soak --seconds $(SOAK_SECONDS) --live-seconds $(SOAK_LIVE_SECONDS) --seed $(SOAK_SEED) --report .cache/soak.md
