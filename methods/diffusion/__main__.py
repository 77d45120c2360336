"""Starter of `python3 -m methods.diffusion`; see `methods.cli.diffusion_samples`."""

import sys

from methods.cli.diffusion_samples import main

if __name__ == "__main__":
    sys.exit(main())
