"""The command `keras-anomaly`: the scripts and the other programs under one name."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from methods import __version__

from .parser import AS_COMMAND, COMMAND, one_of
from .terminal import prepare_output

COMMANDS = {  # name -> module with `main`, and what it does
    "samples": ("processing.samples", "draw a data set to try things out on"),
    "inspect": ("methods.cli.inspect", "show what a data set holds, and what is odd"),
    "methods": ("methods.cli.method_list", "list the methods, and what they cost"),
    "train": ("methods.cli.train", "learn from good images, write a model file"),
    "finetune": ("methods.cli.finetune", "find the decision of a model"),
    "test": ("methods.cli.test", "judge images; write scores, metrics, a report"),
    "serve": ("methods.cli.serve", "a station: photos in, verdicts out, by HTTP"),
    "export": ("methods.cli.export", "write a model as a graph for other programs"),
    "backbones": ("methods.cli.backbones", "list pretrained networks, fetch weights"),
    "diffusion": ("methods.cli.diffusion_samples", "draw what a diffusion has learned"),
}
HELP = f"""usage: {COMMAND} COMMAND [options]

Image anomaly detection on Keras: learn from good parts, judge others.

{{commands}}

{COMMAND} COMMAND --help shows the options of a command.
{COMMAND} --version shows the version.
"""


def main() -> int:
    """Run the installed command; what it tells the user to type begins with its name.

    So do the programs that it starts.
    """
    os.environ[AS_COMMAND] = "1"
    return run()


def run(argv: Sequence[str] | None = None) -> int:
    """Run one of `COMMANDS`, the first argument, and return the exit code."""
    prepare_output()
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        lines = (f"  {key:<10}{what}" for key, (_, what) in COMMANDS.items())
        print(HELP.format(commands="\n".join(lines)), end="")
        return 0
    if name == "--version":
        print(f"{COMMAND} {__version__}")
        return 0
    try:
        name = one_of(COMMANDS)(name)
    except argparse.ArgumentTypeError as error:
        print(f"error: {error} (see {COMMAND} --help)", file=sys.stderr)
        return 2
    sys.argv[0] = f"{COMMAND} {name}"  # what its help and errors call it
    return importlib.import_module(COMMANDS[name][0]).main(arguments)
