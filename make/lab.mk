# A country in network namespaces, with providers that truly interfere. The broker's files are fetched before: there is no
# way out of the namespaces.
.PHONY: lab
lab: $(DEV_STAMP) $(KAFKA_READY) ## Every censor of the lab, told by the whole product; write the matrix into docs/lab.md (LAB_ARGS="--runs 20": so often)
	$(BIN)/python -m tests.lab --write $(LAB_ARGS)
