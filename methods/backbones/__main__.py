"""Starter of `python3 -m methods.backbones`; see `methods.cli.backbones`."""

import sys

from methods.cli.backbones import main

if __name__ == "__main__":
    sys.exit(main())
