"""Starter of `python3 -m methods.inspect`; see `methods.cli.inspect`."""

import sys

from methods.cli.inspect import main

if __name__ == "__main__":
    sys.exit(main())
