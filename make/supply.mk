# What netdusk is made of.
.PHONY: audit sbom
audit: $(DEV_STAMP) ## Look for known faults in the locked packages (asks the package index; fails where it could not)
	$(BIN)/python -m tools.audit

sbom: $(DEV_STAMP) ## List what netdusk is made of: .cache/netdusk.cdx.json (CycloneDX)
	@mkdir -p .cache
	$(BIN)/python -m tools.sbom .cache/netdusk.cdx.json

docs:: $(DEV_STAMP)
	$(BIN)/python -m tools.licences
