# What netdusk is made of.
.PHONY: audit
audit: $(DEV_STAMP) ## Look for known faults in the locked packages (asks the package index)
	$(BIN)/pip-audit --disable-pip --require-hashes -r requirements/run.txt

docs:: $(DEV_STAMP)
	$(BIN)/python -m tools.licences
