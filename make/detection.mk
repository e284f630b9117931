# The tables of docs/detection.md, from seeds that were never used while tuning. Half an hour of one core.
.PHONY: docs-detection tune-contenders nab
docs-detection: $(DEV_STAMP) ## Run every detector side by side, and write the tables of docs/detection.md
	$(BIN)/python -m benchmarks.detectors table

tune-contenders: $(DEV_STAMP) ## Freeze the other detectors' parameters anew, on the tuning seed
	$(BIN)/python -m benchmarks.detectors tune

nab: $(DEV_STAMP) ## Numenta's benchmark over a checkout of it: make nab NAB=folder
	@test -n "$(NAB)" || { echo "name a checkout of https://github.com/numenta/NAB: make nab NAB=folder" >&2; exit 2; }
	$(BIN)/python -m benchmarks.nab $(NAB)
