#!/usr/bin/env python3
"""Find the minimum defect area and the threshold of a trained model."""

import sys

from methods.cli.finetune import main

if __name__ == "__main__":
    sys.exit(main())
