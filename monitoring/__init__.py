"""Rules, dashboards and a configuration of Alertmanager, as code; `python -m monitoring` writes what is shipped."""
