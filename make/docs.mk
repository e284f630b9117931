# The diagram of an incident's life is drawn from the table of its moves.
docs:: $(DEV_STAMP)
	$(BIN)/python -m tools.diagrams

# Settings and commands, to look up.
docs:: $(DEV_STAMP)
	$(BIN)/python -m tools.reference

# What the README shows first: a run of the demo, as it was.
.PHONY: recording
recording: $(STAMP) ## Record the demo anew, as the picture at the head of the README
	$(BIN)/python -m tools.recording docs/img/demo.svg $(BIN)/netdusk demo
