# An S3 server for the tests of the archive: moto, in an environment of its own, since its locks are not ours.
S3_CACHE := .cache/s3

servers:: $(S3_CACHE)/.ready

$(S3_CACHE)/.ready: requirements/s3.txt | $(BIN)/python
	@rm -rf $(S3_CACHE)
	$(BIN)/python -m venv $(S3_CACHE)/venv
	$(S3_CACHE)/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/s3.txt
	@touch $@
