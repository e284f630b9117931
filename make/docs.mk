# The diagram of an incident's life is drawn from the table of its moves.
docs:: $(DEV_STAMP)
	$(BIN)/python -m tools.diagrams
