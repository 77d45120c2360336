#!/usr/bin/env python3
"""Judge images with a trained and finetuned model."""

import sys

from methods.cli.test import main

if __name__ == "__main__":
    sys.exit(main())
