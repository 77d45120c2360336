"""Judge images with a trained and finetuned model."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from methods.detector.settings import KERAS

from .finetune import DTYPES
from .parser import (
    add_decision,
    add_model,
    add_own_methods,
    add_ray,
    add_results,
    add_runtime,
    add_skip_unreadable,
    all_arguments,
    at_least,
    command_line,
    new_parser,
    place,
    run_command,
)
from .paths import check_testing, model_files, program
from .terminal import prepare_output, say

if TYPE_CHECKING:
    from methods.pipeline.testing import Options


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of test.py."""
    parser = new_parser(__doc__)
    images = add_model(
        parser, "model file that finetune.py was run on, or a folder of them to compare"
    )
    add = images.add_argument
    help_ = (
        "folder or file of new images, or a table that labels them (path, label, "
        "perhaps mask); with --ray also a pattern, Parquet files, or "
    )
    help_ += "a URL of any of them; default: the category's test images"
    add("-d", "--input-dir", type=place, metavar="IMAGES", help=help_)
    help_ = "keep judging what comes into the folder of -d, until Ctrl-C"
    add("--watch", action="store_true", help=help_)
    help_ = "with --watch: warn when photos that are judged good change in score, "
    help_ += "brightness, contrast or sharpness, ever by mistake with this probability"
    alpha = at_least(0, float, highest=0.5)
    add("--drift", type=alpha, default=0, metavar="ALPHA", help=f"{help_}; 0: never")
    help_ = "category folder or table, if not where it was at training; of a model of "
    help_ += "several, the name of one"
    add("--category", type=Path, metavar="FOLDER", help=help_)
    help_ = "category with --shots good images or more that a few-shot model "
    help_ += (
        "is to know in the place of its own; the decision then comes from good images"
    )
    add("--shots-from", type=Path, metavar="FOLDER", help=help_)
    models, help_ = Path("saved_models"), "where the model of --shots-from goes"
    add("--models", type=Path, default=models, metavar="FOLDER", help=help_)
    help_ = "judge the test images that finetuning used, too"
    add("--include-finetuning", action="store_true", help=help_)
    add_own_methods(images)
    add_skip_unreadable(images)
    add_ray(images)

    decision = parser.add_argument_group("decision")
    add_decision(decision, ", or all: judge the test images with each")
    add = decision.add_argument
    add("-m", "--method", metavar="MAP", help="only decisions made on these maps")
    help_ = "only decisions made on maps of this type"
    add("-t", "--dtype", choices=DTYPES, help=help_)

    add_runtime(parser)
    add = add_results(parser).add_argument
    help_ = "metrics of pixels from all scores, kept in memory, instead of bins"
    add("--exact", action="store_true", help=help_)
    help_ = "write decided masks, and of images that are defective or called so also "
    help_ += "overlays and heat maps"
    add("-s", "--save", action="store_true", help=help_)
    help_ = "write no report.html and none of its pictures"
    add("--no-report", dest="report", action="store_false", help=help_)
    return parser


def test(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Judge the images and print a table."""
    check_testing(options)
    judges = options.input_dir or options.shots_from  # else what is kept may be enough
    if judges and options.runtime == KERAS:
        from methods.engine.backend import load_backend

        load_backend()
    from methods.pipeline import testing

    from . import tables

    settings = testing.Options(
        images=Path(options.input_dir) if options.input_dir else None,
        save=options.save,
        kind=options.method,
        dtype=options.dtype,
        decision=options.decision,
        include_finetuning=options.include_finetuning,
        folder=options.category,
        results=options.results,
        skip_unreadable=options.skip_unreadable,
        exact=options.exact,
        report=options.report,
        runtime=options.runtime,
        finetune=command_line("finetune.py"),
    )
    path = transfer_shots(options) if options.shots_from else options.path
    if path.is_dir():
        compare(options, settings, arguments)
        return
    if options.ray and options.input_dir:
        from methods.pipeline.batch_scoring import score

        folder, count = score(path, options.input_dir, settings, options.ray)
        print(f"judged: {count} images")
        say(f"scores: {folder}")
        return
    if options.watch:
        from methods.pipeline.watching import watch

        table, count = watch(path, settings, options.drift)
        print(f"judged: {count} images")
        say(f"scores: {table}")
    elif options.input_dir:
        judged = testing.predict(path, settings)
        known = any(row["label"] for row in judged.rows)
        (tables.print_metrics if known else tables.print_verdicts)(judged)
    else:
        for judged in testing.test(path, settings):
            tables.print_metrics(judged)


def transfer_shots(options: argparse.Namespace) -> Path:
    """Return the file of the model with the shots of another product."""
    from methods.pipeline.few_shot_transfer import transfer
    from methods.pipeline.finetuning import Options

    decision = Options(
        kind=options.method,
        dtype=options.dtype or "float64",
        results=options.results,
        skip_unreadable=options.skip_unreadable,
    )
    return transfer(options.path, options.shots_from, options.models, decision)


def compare(
    options: argparse.Namespace, settings: "Options", arguments: Sequence[str]
) -> None:
    """Judge with every model of a folder and write tables that compare them."""
    from methods.pipeline import sweeps
    from methods.pipeline.comparison import summarise
    from methods.pipeline.completed import is_tested

    models = model_files(options.path)
    failures = sweeps.over_models(
        program("test"),
        models,
        arguments,
        options.results,
        options.ray,
        lambda record: is_tested(record, settings),
        options.runtime,
    )
    say(f"results: {summarise(models, settings, failures)}")
    sweeps.raise_failures(failures)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    prepare_output()
    parser = build_parser()
    arguments = all_arguments(parser, argv)
    options = parser.parse_args(arguments)
    if options.watch and (options.save or not options.input_dir):
        parser.error("--watch needs -d FOLDER and writes no pictures (-s)")
    if options.drift and not options.watch:
        parser.error("--drift goes with --watch")
    if options.decision == "all" and options.input_dir:
        parser.error("--decision all is for the test images: expected one with -d")
    if options.decision is not None and options.shots_from:
        parser.error("--shots-from makes a decision: expected no --decision")
    if options.ray and options.input_dir and (options.watch or options.save):
        parser.error("--ray with -d neither watches nor writes pictures (-s)")
    if options.ray and options.input_dir and options.runtime != KERAS:
        parser.error("--ray with -d judges with Keras alone: expected no --runtime")
    again = command_line("test.py", *(sys.argv[1:] if argv is None else argv))
    return run_command(
        lambda: test(options, arguments), debug=options.debug, again=again
    )
