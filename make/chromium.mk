# Chromium, for the tests that look at a report as a reader's browser does: Debian's package, driven by playwright.
CHROMIUM_READY := .cache/chromium/.ready

servers:: $(CHROMIUM_READY)

$(CHROMIUM_READY): make/chromium.mk
	@if ! command -v chromium >/dev/null; then \
	  [ "$$(id -u)" = 0 ] || { echo "install the package chromium" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	fi
	@mkdir -p $(@D) && touch $@
