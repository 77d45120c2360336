"""List the methods: what each does with good images, and how long it learns."""

from collections.abc import Sequence

from .parser import command_line, new_parser, parse, run_command

# Of some 200 good images at the default size on two cores; see docs/results.md.
SECONDS, MINUTES, HOUR, HOURS = "seconds", "minutes", "up to an hour", "hours"
SUMMARIES = {
    "PaDiM": ("a Gaussian of pretrained features at every position", SECONDS),
    "PatchCore": ("the most different patches of pretrained features", SECONDS),
    "ensemble": ("PaDiM and PatchCore on the same features", SECONDS),
    "fewshot": ("the patches of a few images, or of one", SECONDS),
    "featureCAE": ("reconstructs pretrained features, linearly", SECONDS),
    "unified": ("fewshot with learned projections, of many categories", MINUTES),
    "contrastive": ("features that tell synthetic defects apart", MINUTES),
    "CNN": ("is supervised: learns from defective images, too", MINUTES),
    "mvtecCAE": ("reconstructs: strided convolutions; the default", HOUR),
    "paperCAE": ("reconstructs: the same with a dense code", HOUR),
    "baselineCAE": ("reconstructs: convolutions and poolings", HOUR),
    "skipCAE": ("reconstructs: additive skips", HOUR),
    "resnetCAE": ("reconstructs: concatenating skips", HOURS),
    "inceptionCAE": ("reconstructs: inception blocks", HOURS),
    "AE": ("reconstructs: dense layers", HOUR),
    "AnoGAN": ("searches a GAN for the image, or encodes it", HOUR),
    "DDAD": ("diffusion, guided by the image itself", HOURS),
    "AnoDDPM": ("diffusion from simplex noise", HOURS),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = parse(new_parser(__doc__), argv)
    return run_command(show, debug=options.debug)


def show() -> None:
    """Print a table of the methods, those that learn in seconds first."""
    from rich.console import Console
    from rich.table import Table

    table = Table("-a", "what it does with good images", "learns for")
    for name, row in SUMMARIES.items():
        table.add_row(name, *row)
    Console(highlight=False).print(table)
    print(
        "With --segment, autoencoders of pixels learn from synthetic defects, too, as "
        "CNN --synthetic does."
    )
    how = command_line("train.py", "--help", "METHOD")
    print(f"{how} shows the options of one, with its own defaults.")
