"""Starter of `python3 -m methods.serve`; see `methods.cli.serve`."""

import sys

from methods.cli.serve import main

if __name__ == "__main__":
    sys.exit(main())
