# OONI_QA=FOLDER: files of OONI's own scenarios, which are not in this repository (their licence is another).
.PHONY: ooni-qa
ooni-qa: $(DEV_STAMP) ## A confusion matrix of OONI's scenarios, made here or in OONI_QA=FOLDER, and the pace
	$(BIN)/python -m tests.producers.sources.ooni.qa $(OONI_QA)
