"""Files that `netdusk init` hands out: rules and an Alertmanager, written by `python -m monitoring`."""
