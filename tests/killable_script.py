"""A script in a process that can be killed, which tells what it is about to change."""

import importlib
import os
import sys

from methods.engine import batches
from tests.conftest import untraced

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.truncate")


def main(told, folder, script, arguments):
    """Run a script; send a byte for each change to a file or folder in `folder`."""

    def hook(event, found):
        if event == "open":
            change = found[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            change = event in CHANGES
        if change and str(found[0]).startswith(folder):
            told.send_bytes(b".")

    batches.EPOCH_IMAGES = 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.addaudithook(hook)
    with untraced():
        sys.exit(importlib.import_module(script).main(arguments))
