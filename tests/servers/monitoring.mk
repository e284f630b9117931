# Prometheus (with promtool), Alertmanager (with amtool) and jsonnet for the tests of monitoring/: Debian's packages.
MONITORING_READY := .cache/monitoring/.ready

servers:: $(MONITORING_READY)

$(MONITORING_READY): tests/servers/monitoring.mk
	@if ! { command -v prometheus && command -v promtool && command -v prometheus-alertmanager \
	    && command -v amtool && command -v jsonnet; } >/dev/null; then \
	  [ "$$(id -u)" = 0 ] || { echo "install the packages prometheus, prometheus-alertmanager and jsonnet" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager jsonnet; \
	fi
	@mkdir -p $(@D) && touch $@

docs::
	$(BIN)/python -m streams.metrics_doc
	$(BIN)/python -m monitoring
