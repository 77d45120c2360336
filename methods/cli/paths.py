"""Paths of the command lines, checked before Keras takes seconds to import."""

import argparse
from pathlib import Path

from processing.errors import UsageError, UserError

SCRIPTS = Path(__file__).parents[2]  # folder of train.py, finetune.py and test.py
RUN = "run.json"  # of every run folder


def check_training(options: argparse.Namespace) -> None:
    """Raise `UserError` for a path that `train.py` cannot use."""
    if options.resume:
        if not (options.resume / RUN).is_file():
            raise UsageError(
                f"{options.resume} is not a run folder of train.py: no {RUN}"
            )
    elif options.update:
        check_model(options.update)
    else:
        from processing.data.dataset import check_category, scan_dataset

        if not scan_dataset(options.input_dir):
            check_category(options.input_dir)


def check_testing(options: argparse.Namespace) -> None:
    """Raise `UserError` for a path that `test.py` cannot use."""
    given = options.input_dir or options.category
    check_models(options.path, "-d or --category" if given else "")
    if options.shots_from:
        from processing.data.dataset import check_category

        check_category(options.shots_from)
    if options.watch:
        if not Path(options.input_dir).is_dir():
            raise UsageError(
                f"--watch: expected a folder. Received: {options.input_dir}"
            )
    elif options.input_dir and not options.ray:  # with it perhaps a URL or a pattern
        from processing.data.dataset import check_images

        check_images(Path(options.input_dir))


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
