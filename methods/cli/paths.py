"""What a command line names, checked before Keras takes seconds to import."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods import METHODS, MULTI_CATEGORY, check_recorded, folder_name
from methods.detector.settings import KERAS
from processing.errors import UsageError, UserError
from processing.wording import printable

from . import method_checks, method_options
from .parser import refuse_ray

if TYPE_CHECKING:
    from methods.detector.records import TrainingRecord
    from processing.data.dataset import Category

SCRIPTS = Path(__file__).parents[2]  # folder of the scripts, in a checkout


def program(command: str) -> list[str]:
    """Return what Python runs for "train", "finetune" or "test": a script, if it can.

    An installed package has no scripts, and a checkout need not be installed.
    """
    script = SCRIPTS / f"{command}.py"
    return [str(script)] if script.is_file() else ["-m", "methods.cli", command]


def check_training(options: argparse.Namespace) -> None:
    """Raise `UserError` for a single run that `train.py` cannot do.

    `options` are what its parser returns.
    """
    from methods.engine.backend import check_backend
    from processing.files import check_writable

    check_backend(options.devices)
    if options.resume:
        check_writable(options.resume)
        _check_resumed(options)
    elif options.update:
        check_writable(options.models)
        _check_update(options)
    else:
        _check_new_run(options)


def check_trainings(runs: Sequence[argparse.Namespace]) -> None:
    """Raise `UserError` for several runs that `train.py` cannot do.

    Each run checks its images itself.
    """
    from methods.engine.backend import check_backend
    from processing.data.dataset import check_category
    from processing.files import check_writable

    check_backend(runs[0].devices)
    method_checks.check_ray(runs[0].ray)
    check_writable(runs[0].models)
    if len({options.input_dir for options in runs}) == 1 and not any(
        options.architecture[0] in MULTI_CATEGORY for options in runs
    ):
        check_category(runs[0].input_dir)
    for options in runs:
        (method,) = options.architecture
        method_checks.check_options(method, method_options.given(options))


def _check_resumed(options: argparse.Namespace) -> None:
    from methods.pipeline.run_folder import TrainingRun

    run, record = TrainingRun.resume(options.resume)
    _check_method(record, run.folder)
    method_checks.check_cluster(record.method, options.ray)
    for view in views(record, None):
        _check_known(view, view.splits.fit + view.splits.validation)


def _check_known(record: "TrainingRecord", names: list[str]) -> None:
    """Raise `UserError` unless the good images of a category are still there."""
    from methods.pipeline.splitting import named

    named(_category(record).train, names)


def _category(record: "TrainingRecord") -> "Category":
    """Return the images of a model's category, none of which is read."""
    from processing.data.dataset import scan_category

    return scan_category(
        Path(record.folder),
        image_shape=(1, 1, 1),
        cache_bytes=0,
        test=record.splits.test,
        labels=record.splits.labels,
    )


def _check_update(options: argparse.Namespace) -> None:
    from methods.pipeline.updating import known_images
    from processing.data.dataset import scan_images
    from processing.data.labels import labels_of

    record = read_model(options.update)
    if record.method in METHODS and record.method not in method_checks.UPDATABLE:
        raise UsageError(f"{record.method} cannot take in images later: train it anew")
    method_options.refuse_unknown([record.method], method_options.given(options))
    if options.input_dir:
        scan_images(options.input_dir, (1, 1, 1), cache_bytes=0)
    if options.labels:
        skip = options.skip_unreadable
        labels_of(options.labels, known_images(record), skip_unreadable=skip)


def _check_new_run(options: argparse.Namespace) -> None:
    from processing.data.dataset import category_names, scan_dataset
    from processing.files import check_writable

    (method,) = options.architecture
    given = method_options.given(options)
    categories = scan_dataset(options.input_dir)
    if categories:
        _check_several(method, categories, options)
    method_checks.check_options(method, given)
    method_checks.check_cluster(method, options.ray)
    for folder in categories or [options.input_dir]:
        skip, labels = options.skip_unreadable, options.labels
        several = bool(categories)
        method_checks.check_images(method, folder, given, skip, labels, several)
    names = category_names(options.input_dir)
    check_writable(options.models.joinpath(*names, folder_name(method)))


def _check_several(
    method: str, categories: list[Path], options: argparse.Namespace
) -> None:
    """Raise `UsageError` for what a model of several categories cannot be given."""
    from processing.data.labels import check_below
    from processing.data.table import images_of_table

    choices = ", ".join(folder.name for folder in categories)
    if method in METHODS and method not in MULTI_CATEGORY:
        raise UsageError(
            f"{method} learns one category: expected -a unified, or -d with one of "
            f"{choices}"
        )
    if options.labels:
        named = {folder.name: folder for folder in categories}
        check_below(images_of_table(options.labels).images, named)
    if options.register or options.mask:
        raise UsageError(
            "--register and --mask are learned from one category: expected -d with one "
            f"of {choices}"
        )
    if options.inspect:
        raise UsageError("-i is for a run of one category")


def check_finetuning(options: argparse.Namespace) -> "TrainingRecord | None":
    """Return the record of a model that is to be finetuned; None of a folder of them.

    Raises:
        UserError: a model or options that `finetune.py` cannot use.
    """
    from methods.detector.runtime import check_runtime
    from processing.files import check_writable

    check_runtime(options.runtime)
    given = {"-d": options.input_dir, "--labels": options.labels}
    check_models(options.path, " and ".join(flag for flag in given if given[flag]))
    if options.path.is_dir():
        method_checks.check_ray(options.ray)
        check_writable(options.results)
        return None
    refuse_ray(options)
    record = read_model(options.path)
    method_checks.check_kind(record, options.method, options.legacy)
    method_checks.check_folds(record, options.folds)
    if options.runtime != KERAS:
        kind = "legacy" if options.legacy else options.method
        method_checks.check_graph(record, kind)
    preparation = record.preparation or {}
    size = preparation.get("crop") or preparation.get("size")
    if options.min_area and size and options.min_area > size[0] * size[1]:
        raise UsageError(
            f"--min-area must be at most the {size[0] * size[1]} pixels of the maps. "
            f"Received: {options.min_area}"
        )
    for view in views(record, options.input_dir):
        check_writable(options.results / view.run / "finetuning")
        _check_known(view, view.splits.validation)
    if options.labels:
        _check_labels(record, options)
    return record


def _check_labels(record: "TrainingRecord", options: argparse.Namespace) -> None:
    """Raise `UserError` for a table of labels that cannot be used."""
    from methods.pipeline.labels import read_labels
    from processing.data.labels import below, check_below

    images = read_labels(options.labels, options.skip_unreadable)
    if not record.categories:
        return
    folders = {name: Path(x.folder) for name, x in record.categories.items()}
    chosen = [*views(record, options.input_dir)]
    folders |= {view.category: Path(view.folder) for view in chosen}
    check_below(images, folders)
    if not below(images, (folders[view.category] for view in chosen)):
        raise UsageError(
            f"--labels: expected images in {chosen[0].folder}. "
            f"Received: {printable(str(images[0].path))}"
        )


def check_testing(options: argparse.Namespace) -> None:
    """Raise `UserError` for paths and options that `test.py` cannot use."""
    from methods.detector.runtime import check_runtime
    from processing.files import check_writable

    given = options.input_dir or options.category
    check_models(options.path, "-d or --category" if given else "")
    _check_sources(options)
    method_checks.check_ray(options.ray)
    check_runtime(options.runtime)
    if options.path.is_dir():
        check_writable(options.results)
        return
    if not options.input_dir:
        refuse_ray(options)
    record = read_model(options.path)
    if options.shots_from:
        check_writable(options.models)
        method_checks.check_shots_from(record, options.shots_from)
        return
    _check_decided(record, options)


def check_export(options: argparse.Namespace) -> None:
    """Raise `UserError` for a model, a format or a file that `export` cannot do."""
    from methods.detector.decisions import ALL, choose_results
    from methods.detector.export import check_target

    check_target(options.path, options.format, options.output)
    record = read_model(options.path)
    if record.categories and (options.category or len(record.categories) > 1):
        record = record.of_category(options.category or "")
    kind, decision = None, options.decision
    if decision == ALL:
        raise UsageError("--decision all is for test.py: expected one")
    try:
        [(_, chosen)] = choose_results(record, options.results, None, None, decision)
        kind = chosen.kind
    except UserError:  # without a decision it is exported, too
        if decision is not None:
            raise
    method_checks.check_graph(record, kind)


def _check_sources(options: argparse.Namespace) -> None:
    """Check the folders of images that are given."""
    from processing.data.dataset import check_category, check_images, scan_images

    if options.shots_from:
        check_category(options.shots_from)
    if options.watch:
        if not Path(options.input_dir).is_dir():
            raise UsageError(
                f"--watch: expected a folder. Received: {options.input_dir}"
            )
    elif options.input_dir and not options.ray:  # with it perhaps a URL or a pattern
        source = check_images(Path(options.input_dir))
        scan_images(source, (1, 1, 1), cache_bytes=0)


def _check_decided(record: "TrainingRecord", options: argparse.Namespace) -> None:
    """Check that there are decisions, and where their results go."""
    from methods.detector.decisions import choose_results
    from methods.pipeline.splitting import unused
    from processing.files import check_writable

    which = options.results, options.method, options.dtype, options.decision
    kind = "predict" if options.input_dir else "test"
    for view in _judged_views(record, options):
        results = choose_results(view, *which)
        check_writable(options.results / view.run / kind)
        if options.input_dir:
            continue
        test = _category(view).test
        for _, finetuned in results:
            unused(test, view, finetuned, options.include_finetuning)


def _judged_views(
    record: "TrainingRecord", options: argparse.Namespace
) -> Iterator["TrainingRecord"]:
    """Yield the categories whose decisions are used; new images need one alone."""
    if not options.input_dir:
        yield from views(record, options.category)
    elif len(record.views) == 1 and not options.category:
        yield record.views[0]
    else:
        name = options.category.name if options.category else ""
        yield record.of_category(name) if record.categories else record


def views(record: "TrainingRecord", folder: Path | None) -> Iterator["TrainingRecord"]:
    """Yield the record of each category that a command is for, with its folder.

    Args:
        record: of a model of one category or of several.
        folder: the category, where it is not where it was at training; of several, its
            name is enough; None for all.

    Raises:
        UserError: no such category, or its folder is not there.
    """
    from processing.data.dataset import check_category

    chosen = record.views
    if folder and record.categories:
        chosen = [record.of_category(folder.name)]
        folder = folder if folder.is_dir() else None
    for view in chosen:
        yield replace(view, folder=str(check_category(folder or Path(view.folder))))


def read_model(path: Path) -> "TrainingRecord":
    """Return the record of a model file; `UserError` if it cannot be loaded."""
    check_model(path)
    from methods.detector.model_file import read_record

    record = read_record(path)
    _check_method(record, path)
    return record


def _check_method(record: "TrainingRecord", path: Path) -> None:
    """Raise `UserError` for the method of a file that cannot, or must not, be used."""
    check_recorded(record.method, path)
    method_checks.check_there(record.method)


def check_model(path: Path) -> None:
    """Raise `UserError` unless there is a model file."""
    if not path.is_file():
        raise UserError(f"no such model file: {path}")


def check_models(path: Path, flag: str) -> None:
    """Raise `UserError` unless there is a model file, or a folder of them.

    `flag` names the options that were given and go with a single model, if any.
    """
    if not path.is_dir():
        check_model(path)
    elif flag:
        raise UsageError(
            f"{path} is a folder of models, each with its own category: expected a "
            f"model file with {flag}"
        )
    else:
        model_files(path)


def model_files(folder: Path) -> list[Path]:
    """Return the model files below a folder."""
    models = [p for p in sorted(folder.rglob("*.hdf5")) if not p.name.startswith(".")]
    if not models:
        raise UserError(f"no model files (*.hdf5) in {folder} and the folders below it")
    return models
