"""Find the minimum defect area and the threshold of a trained model."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from processing.errors import UsageError, shortened

from .parser import (
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
    one_of,
    run_command,
)
from .paths import (
    check_finetuning,
    check_models,
    model_files,
    program,
    read_model,
    views,
)
from .terminal import prepare_output, say

if TYPE_CHECKING:
    from methods.detector.records import TrainingRecord
    from methods.pipeline.finetuning import Options
    from processing.decision.goals import Goal

DTYPES = ("float64", "uint8")
NUMBERS = {  # rule: flag, what stands for its number, default, and its meaning
    "quantile": ("--quantile", "Q", 0.99, "share of good images to pass"),
    "ksigma": ("--sigmas", "K", 3.0, "standard deviations above the mean"),
    "conformal": ("--false-alarm", "RATE", 0.01, "share of good images to refuse"),
}
RULES = ("max", *NUMBERS)
BALANCED, VALIDATION_MAX = "balanced", "validation-max"
GOALS = {  # and where the parser puts them
    "--goal": "goal",
    "--max-false-alarms": "max_false_alarms",
    "--min-recall": "min_recall",
    "--cost": "cost",
    "--threshold": "threshold",
    "--calibrate": "calibrate",
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of finetune.py."""
    parser = new_parser(__doc__)
    images = add_model(parser, "model file that train.py wrote, or a folder of them")
    help_ = "category folder or table, if not where it was at training; of a model of "
    help_ += "several, the name of one"
    images.add_argument("-d", "--input-dir", type=Path, metavar="FOLDER", help=help_)
    add_own_methods(images)
    add_skip_unreadable(images)
    add_ray(images)

    add = parser.add_argument_group("decision").add_argument
    help_ = "kind of maps, such as ssim or l2 of a CAE; default: the model's own"
    add("-m", "--method", metavar="MAP", help=help_)
    help_ = "search the maps as they are or on 256 steps"
    help_ += "; default: as they are, float64"
    add("-t", "--dtype", choices=DTYPES, help=help_)
    help_ = "do not count regions that touch the image border"
    add("--clear-border", action="store_true", help=help_)
    help_ = "the original's raw maps, grid of thresholds and areas, and border rule"
    add("--legacy", action="store_true", help=help_)
    _add_goals(parser)
    _add_calibration(parser)
    _add_images(parser)
    _add_names(parser)
    add_runtime(parser)
    add_results(parser)
    return parser


def _add_goals(parser: argparse.ArgumentParser) -> None:
    """Add what a search is to reach."""
    group = parser.add_argument_group("goal of the decision, one of")
    add, rate = group.add_argument, between_0_and_1
    help_ = "balanced: as many defects found as good images called good; "
    help_ += "validation-max: the same, but no validation image is called defective; "
    help_ += "default: balanced"
    add("--goal", type=one_of((BALANCED, VALIDATION_MAX)), metavar="NAME", help=help_)
    help_ = "most defects at a rate of false alarms of at most that, with 95 %% "
    help_ += "confidence"
    add("--max-false-alarms", type=rate, metavar="RATE", help=help_)
    help_ = "fewest false alarms at a share of defects found of at least that, with "
    help_ += "95 %% confidence"
    add("--min-recall", type=rate, metavar="RATE", help=help_)
    help_ = "lowest cost: what a missed defect and a false alarm cost, such as 20:1"
    add("--cost", type=costs, metavar="MISS:FALSE_ALARM", help=help_)
    help_ = "of --cost: share of defective parts in production; default: 0.5"
    add("--defect-rate", type=rate, metavar="RATE", help=help_)
    help_ = "set by hand, with --min-area"
    add("--threshold", type=float, metavar="X", help=help_)


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Add which images decide."""
    add = parser.add_argument_group("images to decide from").add_argument
    help_ = "judge all good training images, too, in that many parts, each by the "
    help_ += "model as if it had not seen them: PaDiM, PatchCore, ensemble and fewshot"
    add("--folds", type=at_least(2), default=0, metavar="K", help=help_)
    help_ = "good images to decide without, for they are no good photos"
    add("--exclude", nargs="+", default=[], metavar="FILE", help=help_)
    help_ = (
        "table with the columns path and label (good, or a kind of defect), such as "
    )
    help_ += "a report gives: its images decide, too, and other labels are corrected"
    add("--labels", type=Path, metavar="TABLE", help=help_)


def _add_names(parser: argparse.ArgumentParser) -> None:
    """Add what the decisions of a model are called, and which is in force."""
    add = parser.add_argument_group("decisions of the model").add_argument
    help_ = "name of the new decision; default: maps and goal"
    add("--name", type=decision_name, metavar="NAME", help=help_)
    help_ = "let it take the place of another one of that --name"
    add("--replace", action="store_true", help=help_)
    help_ = "leave that in force which is, until --use"
    add("--aside", action="store_true", help=help_)
    help_ = "print those there are, with -m and -t of these maps, and decide nothing"
    add("--list", action="store_true", help=help_)
    help_ = "put that one in force until a new one is made, and decide nothing"
    add("--use", metavar="NAME", help=help_)


def decision_name(text: str) -> str:
    """Return the name of a decision, an argparse type."""
    from methods.detector.decisions import check_name

    try:
        return check_name(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def between_0_and_1(text: str) -> float:
    """Return a rate, an argparse type."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < 1:
        raise argparse.ArgumentTypeError(
            f"expected a number between 0 and 1. Received: {shortened(text)}"
        )
    return rate


def costs(text: str) -> tuple[float, float]:
    """Return two costs, an argparse type."""
    try:
        miss, false_alarm = (float(part) for part in text.split(":"))
    except ValueError:
        miss = false_alarm = math.nan
    if not (0 < miss < math.inf and 0 < false_alarm < math.inf):
        raise argparse.ArgumentTypeError(
            f"expected MISS:FALSE_ALARM, such as 20:1. Received: {shortened(text)}"
        )
    return miss, false_alarm


def check_goal(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Raise a usage error unless there is one goal at most, or something else to do."""
    given = [flag for flag, name in GOALS.items() if getattr(options, name) is not None]
    given += ["--legacy"] * options.legacy
    given += ["--list"] * options.list + ["--use"] * (options.use is not None)
    if len(given) > 1:
        parser.error(f"expected one of {', '.join(given)}")
    if options.defect_rate is not None and not options.cost:
        parser.error("--defect-rate goes with --cost")
    if options.threshold is not None and not options.min_area:
        parser.error("--threshold goes with --min-area")
    new = options.name or options.folds or options.exclude or options.clear_border
    if new and (options.list or options.use is not None):
        parser.error(
            "--name, --folds, --exclude and --clear-border are for a new decision: "
            "expected none of them with --list, --use"
        )
    if options.aside and (options.list or options.use is not None):
        parser.error("--aside is for a new decision: expected no --list, no --use")
    if options.replace and not options.name:
        parser.error("--replace goes with --name")


def goal_of(options: argparse.Namespace) -> "Goal | None":
    """Return the goal of the options, if one is given."""
    from processing.decision.goals import Goal

    if options.max_false_alarms is not None:
        return Goal("max-false-alarms", options.max_false_alarms)
    if options.min_recall is not None:
        return Goal("min-recall", options.min_recall)
    if options.cost:
        miss, false_alarm = options.cost
        rate = options.defect_rate or 0.5
        return Goal("cost", miss=miss, false_alarm=false_alarm, defect_rate=rate)
    return Goal(options.goal) if options.goal else None


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    """Add how to decide without defective images."""
    group = parser.add_argument_group("decision from good validation images alone")
    add, number = group.add_argument, at_least(0, float)
    help_ = "instead of searching: max, quantile, ksigma or conformal"
    add("--calibrate", type=one_of(RULES), metavar="RULE", help=help_)
    for rule, (flag, metavar, default, help_) in NUMBERS.items():
        help_ = f"of {rule}: {help_}; default: {default}"
        add(flag, dest=rule, type=number, metavar=metavar, help=help_)
    help_ = "smallest defect, of a rule or with --threshold; default: 0.05 %% of the "
    help_ += "image"
    add("--min-area", type=at_least(1), metavar="PIXELS", help=help_)


def rule_and_number(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[str | None, float | None]:
    """Return what to decide by; a usage error for the number of another rule."""
    rule = options.calibrate
    for other, (flag, *_) in NUMBERS.items():
        if getattr(options, other) is not None and other != rule:
            parser.error(f"{flag} goes with --calibrate {other}")
    if options.min_area and not rule and options.threshold is None:
        parser.error(
            "--min-area goes with --calibrate or --threshold: the search finds the area"
        )
    if rule not in NUMBERS:
        return rule, None
    given = getattr(options, rule)
    return rule, NUMBERS[rule][2] if given is None else given


def finetune(
    options: argparse.Namespace,
    rule: str | None,
    number: float | None,
    arguments: Sequence[str],
) -> None:
    """Find the decision, by a rule if one is given, and print it."""
    if options.list or options.use is not None:
        show_decisions(options)
        return
    record = check_finetuning(options)
    from processing.decision.calibration import Rule

    decided_by = Rule(rule, number) if rule else None
    from methods.detector.categories import categories_in
    from methods.pipeline import finetuning
    from methods.pipeline.binding import PICTURE

    from . import tables

    settings = finetuning.Options(
        kind=options.method,
        dtype=options.dtype or DTYPES[0],
        clear_border=options.clear_border,
        legacy=options.legacy,
        rule=decided_by,
        goal=goal_of(options),
        threshold=options.threshold,
        folds=options.folds,
        exclude=tuple(options.exclude),
        labels=options.labels,
        aside=options.aside,
        name=options.name,
        min_area=options.min_area,
        results=options.results,
        skip_unreadable=options.skip_unreadable,
        runtime=options.runtime,
    )
    if record is None:
        finetune_all(options, settings, arguments)
        return
    check_name(record, options, settings)
    for category in categories_in(record, options.input_dir):
        chosen = replace(settings, folder=category)
        folder, result = finetuning.finetune(options.path, chosen)
        tables.print_decision(result)
        say(f"pictures:     {folder / PICTURE}")
        say(f"results: {folder}")
    say(f"next:    {command_line('test.py', '-p', str(options.path), '-s')}")


def check_name(
    record: "TrainingRecord", options: argparse.Namespace, settings: "Options"
) -> None:
    """Raise a usage error if another decision has the name of the new one."""
    from methods.detector.decisions import described
    from methods.pipeline.finetuning import replaced

    if not options.name or options.replace:
        return
    for view in views(record, options.input_dir):
        if earlier := replaced(view, settings, ""):
            raise UsageError(
                "--name: there is another decision of that name: expected a new name, "
                f"or --replace. Received: {described((Path(options.name), earlier))}"
            )


def show_decisions(options: argparse.Namespace) -> None:
    """Put a decision in force, if one is named, or print all there are."""
    from methods.detector.decisions import choose_results, described, put_in_force

    from . import tables

    flag = "--list" if options.list else "--use"
    check_models(options.path, flag)
    record = read_model(options.path)
    found = list(views(record, options.input_dir))
    which = options.results, options.method, options.dtype
    if options.use is not None:
        for view in found:  # all of them first: none is put in force in vain
            choose_results(view, *which, options.use)
        for view in found:
            chosen = put_in_force(view, options.results, options.use)
            print(f"in force: {described(chosen)}")
        return
    for view in found:
        tables.print_decisions(view, *which)


def finetune_all(
    options: argparse.Namespace, settings: "Options", arguments: Sequence[str]
) -> None:
    """Finetune every model below a folder that has no such decision yet."""
    from methods.pipeline import sweeps
    from methods.pipeline.completed import is_finetuned

    failures = sweeps.over_models(
        program("finetune"),
        model_files(options.path),
        arguments,
        options.results,
        options.ray,
        lambda record: is_finetuned(record, settings),
        options.runtime,
    )
    say(f"results: {options.results}")
    say(f"next:    {command_line('test.py', '-p', str(options.path))}")
    sweeps.raise_failures(failures)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    prepare_output()
    parser = build_parser()
    arguments = all_arguments(parser, argv)
    options = parser.parse_args(arguments)
    check_goal(parser, options)
    rule = rule_and_number(parser, options)
    again = command_line("finetune.py", *(sys.argv[1:] if argv is None else argv))
    return run_command(
        lambda: finetune(options, *rule, arguments), debug=options.debug, again=again
    )
