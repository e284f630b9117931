# Apache Kafka for the integration tests, from Maven Central; the version stands in make/kafka/pom.xml.
KAFKA_READY := .cache/kafka/.ready

servers:: $(KAFKA_READY)

$(KAFKA_READY): make/kafka/pom.xml
	@if ! { command -v java && command -v mvn; } >/dev/null; then \
	  [ "$$(id -u)" = 0 ] || { echo "java and mvn are missing: install Java 17 or newer and Maven" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless maven; \
	fi
	rm -rf .cache/kafka && mkdir -p .cache/kafka
	mvn -q -B -f make/kafka/pom.xml dependency:copy-dependencies \
	  -DincludeScope=runtime -DoutputDirectory="$(CURDIR)/.cache/kafka/jars"
	@touch $@

SOAK_SECONDS ?= 3600
SOAK_SEED ?= 1

.PHONY: soak
soak: $(DEV_STAMP) $(KAFKA_READY) ## Kill, freeze and cut everything for an hour (SOAK_SECONDS, SOAK_SEED), then compare
	$(BIN)/python -m tests.faults.soak --seconds $(SOAK_SECONDS) --seed $(SOAK_SEED) --report .cache/soak.md
