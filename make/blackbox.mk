# blackbox_exporter for tests/streams/local/test_prometheus.py and benchmarks/probe.py: Debian's package, unpacked and never installed.
BLACKBOX := .cache/blackbox/usr/bin/prometheus-blackbox-exporter

servers:: $(BLACKBOX)

$(BLACKBOX): make/blackbox.mk
	@command -v apt-get dpkg-deb >/dev/null || { echo "blackbox_exporter is taken from Debian's archive: no apt-get here" >&2; exit 1; }
	rm -rf .cache/blackbox && mkdir -p .cache/blackbox
	cd .cache/blackbox && { apt-get download -qq prometheus-blackbox-exporter 2>/dev/null || \
	  { apt-get update -qq && apt-get download -qq prometheus-blackbox-exporter; }; } && dpkg-deb -x *.deb .
	@touch $@

.PHONY: bench-probe
bench-probe: $(STAMP) $(DEV_STAMP) $(BLACKBOX) ## netdusk probe and blackbox_exporter, side by side on loopback TLS
	$(BIN)/python -m benchmarks.probe
