"""Starter of `python3 -m methods.export`; see `methods.cli.export`."""

import sys

from methods.cli.export import main

if __name__ == "__main__":
    sys.exit(main())
