"""Starter of `python3 -m methods.cli COMMAND`; see `methods.cli.command`."""

import sys

from methods.cli.command import run

if __name__ == "__main__":
    sys.exit(run())
