"""`python -m narrows` is the command `narrows`."""

from narrows.cli.entry import run

if __name__ == "__main__":
    run()
