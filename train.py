#!/usr/bin/env python3
"""Train a method on the good images of a category and write its model file."""

import sys

from methods.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
