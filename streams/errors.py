"""What the command line says in place of a traceback. Imports nothing, so that `netdusk --help` is quick."""


class SettingsError(Exception):
    """Settings that can't be used; the message names the file, the key, the value and the remedy."""
