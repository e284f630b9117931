.PHONY: site
site: $(DEV_STAMP) ## Build the site of the docs into .cache/site, and stop at a link that leads nowhere
	$(BIN)/zensical build --strict --config-file mkdocs.yml
