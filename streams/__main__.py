"""`python -m streams`: the same as `netdusk`."""

from streams.cli import main

if __name__ == "__main__":
    main()
