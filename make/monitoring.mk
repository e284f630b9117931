# For the tests of monitoring/ and of the examples in docs/: Prometheus (with promtool), Alertmanager (with amtool),
# jsonnet and kcat, Debian's packages.
MONITORING_READY := .cache/monitoring/.ready
GRAFANA_SCHEMAS := .cache/monitoring/schema/.ready

servers:: $(MONITORING_READY) $(GRAFANA_SCHEMAS)

$(MONITORING_READY): make/monitoring.mk
	@if ! { command -v prometheus && command -v promtool && command -v prometheus-alertmanager \
	    && command -v amtool && command -v jsonnet && command -v kcat; } >/dev/null; then \
	  [ "$$(id -u)" = 0 ] || { echo "install the packages prometheus, prometheus-alertmanager, jsonnet and kcat" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends \
	    prometheus prometheus-alertmanager jsonnet kcat; \
	fi
	@mkdir -p $(@D) && touch $@

# The types of Grafana's dashboards as JSON Schemas. Grafana itself is not used anywhere.
$(GRAFANA_SCHEMAS): make/monitoring/package.json make/monitoring/schemas.sh
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 18 or newer" >&2; exit 1; }
	rm -rf $(@D) && mkdir -p $(@D) && cp $< $(@D)
	npm --prefix $(@D) install --silent --no-fund --no-audit --no-package-lock
	make/monitoring/schemas.sh $(@D)
	@touch $@

docs::
	$(BIN)/python -m tools.metrics
	$(BIN)/python -m monitoring
