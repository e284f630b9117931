# A vantage as one file, for a small machine: `netdusk probe` and what it needs, unpacked at its first start (shiv).
# For another kind of machine: make vantage VANTAGE_PLATFORM=manylinux2014_aarch64 (a 64-bit ARM board), and
# VANTAGE_PYTHON=3.12 for another Python there than the one here.
VANTAGE_PLATFORM ?=
VANTAGE_PYTHON ?= $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VANTAGE := .cache/vantage
VANTAGE_PIP := $(VANTAGE)/tools/bin/python -m pip --quiet --disable-pip-version-check

.PHONY: vantage
vantage: $(VANTAGE)/tools/.ready requirements/vantage.txt ## A vantage as one file: .cache/vantage/netdusk-vantage.pyz
	rm -rf $(VANTAGE)/packages && mkdir -p $(VANTAGE)/packages
	$(VANTAGE_PIP) install --no-deps --require-hashes --only-binary=:all: --target $(VANTAGE)/packages \
	  $(if $(VANTAGE_PLATFORM),--platform $(VANTAGE_PLATFORM) --implementation cp --python-version $(VANTAGE_PYTHON)) \
	  -r requirements/vantage.txt
	$(VANTAGE)/tools/bin/python -m tools.vantage $(VANTAGE)/packages
	$(VANTAGE)/tools/bin/shiv --site-packages $(VANTAGE)/packages --entry-point streams.vantage:main \
	  --python '/usr/bin/env python3' --compressed --reproducible --output-file $(VANTAGE)/netdusk-vantage.pyz
	@ls -l $(VANTAGE)/netdusk-vantage.pyz

$(VANTAGE)/tools/.ready: requirements/shiv.txt
	$(PYTHON) -m venv $(VANTAGE)/tools
	$(VANTAGE)/tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/shiv.txt
	@touch $@
