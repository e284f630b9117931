# The container image, without a daemon. Outside of `make check`: it needs root and, once, some minutes.
.PHONY: image image-test image-sbom
image: ## Build the container image into .cache/image/netdusk.tar (BASE=IMAGE@sha256:… to choose what it stands on)
	@if ! command -v buildah >/dev/null; then \
	  [ "$$(id -u)" = 0 ] || { echo "install the packages buildah and debootstrap" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah debootstrap; \
	fi
	deploy/image/build.sh

image-test: $(DEV_STAMP) ## Run the image that `make image` built
	$(BIN)/pytest -q tests/image/runs.py

image-sbom: .cache/image/tools/.ready ## List what the image holds: .cache/image/netdusk.spdx.json
	.cache/image/tools/bin/syft scan --quiet oci-archive:.cache/image/netdusk.tar -o spdx-json=.cache/image/netdusk.spdx.json
	@python3 -c "import json; print(len(json.load(open('.cache/image/netdusk.spdx.json'))['packages']), 'packages')"

.cache/image/tools/.ready: requirements/image.txt
	$(PYTHON) -m venv .cache/image/tools
	.cache/image/tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/image.txt
	@touch $@
