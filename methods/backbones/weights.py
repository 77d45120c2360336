"""Find the weights of a backbone, read their file, and put them into the network."""

import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from processing.errors import UsageError, UserError

from . import pretrained, spec
from .names import Tensors, belongs, canonical
from .pth import Stored, read_tensors, stored_members

KERAS = (".keras", ".h5")
SUFFIXES = (".safetensors", ".pth", ".pt", *KERAS)
LEAVES = {  # of Keras' variables -> of PyTorch's tensors
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def check(name: str, weights: str | Path, from_scratch: bool = False) -> None:
    """Raise `UserError` for weights that cannot be had; needs no Keras and no network.

    Args:
        name: key of `BACKBONES`.
        weights: see `load_weights`.
        from_scratch: whether random weights will do for a backbone without others.
    """
    if weights == "imagenet":
        pretrained.check(name)
    elif weights != "random":
        _file(weights)
    elif not (from_scratch or spec(name).published):
        raise UsageError(
            f"-k {name} is to be trained from scratch: expected "
            "-a contrastive, or --weights FILE. Received: --weights random"
        )


def find(name: str, weights: str | Path) -> Path | None:
    """Return the file of `weights`, or None for "random"; see `load_weights`."""
    if weights == "random":
        return None
    return pretrained.fetch(name) if weights == "imagenet" else _file(weights)


def _file(weights: str | Path) -> Path:
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"no such weights: {path}. Expected imagenet, random or a file")
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path} is of no kind known: {', '.join(SUFFIXES)}")
    return path


def load(model: Any, name: str, path: Path) -> None:
    """Put the weights in a file into a model of `build(name, ...)`."""
    if path.suffix in KERAS:
        _load_keras(model, name, path)
    elif path.suffix == ".safetensors":
        put(model, name, read_safetensors(path), path)
    else:
        put(model, name, read_tensors(path), path)


def put(model: Any, name: str, tensors: Tensors, path: Path) -> None:
    """Put the tensors of a file, under their names there, into a model.

    Tensors beyond the model's deepest level are left out. One that is missing,
    unexpected or of another shape is a `UserError`, raised before the model changes.
    """
    try:
        tensors = canonical(spec(name).module, tensors)
    except (ValueError, LookupError) as error:
        raise UserError(
            f"{path} does not hold the weights of {name}: unknown names of tensors"
        ) from error
    wanted = {key: (variable, order) for key, variable, order in _wanted(model)}
    missing = [key for key in wanted if key not in tensors]
    extra = [k for k in tensors if k not in wanted and not belongs(name, k)]
    if missing or extra:
        first = f"{missing[0]} is missing" if missing else f"{extra[0]} is unexpected"
        raise UserError(
            f"{path} does not hold the weights of {name}: {first} ({len(missing)} "
            f"missing and {len(extra)} unexpected among {len(tensors)} tensors)"
        )
    for key, (variable, order) in wanted.items():
        expected = tuple(variable.shape[order.index(axis)] for axis in sorted(order))
        if tensors[key].shape != expected:
            raise UserError(
                f"{path} does not hold the weights of {name}: {key} has the shape "
                f"{tensors[key].shape}. Expected {expected}"
            )
    for key, (variable, order) in wanted.items():
        variable.assign(tensors[key].read().transpose(order).astype("float32"))


def _wanted(model: Any) -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    """Yield of each weight its tensor's name, itself and its axes in the tensor."""
    import keras

    for layer in model.layers:
        for variable in layer.weights:
            order = tuple(range(len(variable.shape)))
            if variable.name == "kernel" and len(order) == 2:
                order = (1, 0)
            elif isinstance(layer, keras.layers.DepthwiseConv2D):
                order = (2, 3, 0, 1)
            elif variable.name == "kernel":
                order = (2, 3, 1, 0)
            leaf = LEAVES.get(variable.name, variable.name)
            yield f"{layer.name}.{leaf}", variable, order


def read_safetensors(path: Path) -> dict[str, Stored]:
    """Return the tensors of a safetensors file by name, each read when asked for."""
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise UserError(f"{path} is damaged: {error}") from error
    tensors = {}
    for key in file.keys():  # noqa: SIM118 - it is no dictionary
        part = file.get_slice(key)
        if part.get_dtype() not in ("F64", "F32", "F16", "I64"):
            raise UserError(
                f"{path}: {key} has the data type {part.get_dtype()}. "
                "Expected 16, 32 or 64 bit floats"
            )
        read = partial(file.get_tensor, key)
        tensors[key] = Stored(tuple(part.get_shape()), read)
    return tensors


def _load_keras(model: Any, name: str, path: Path) -> None:
    try:
        _check_keras(path)
        model.load_weights(path)
    except Exception as error:  # a made file can raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} does not hold weights of {name} up to the same level: {reason}"
        ) from error


def _check_keras(path: Path) -> None:
    """Raise an error unless a file of Keras holds all that Keras would read."""
    import h5py

    from processing.hdf5 import check_hdf5

    if path.suffix != ".keras":
        with h5py.File(path) as file:
            check_hdf5(file, path.stat().st_size)
        return
    with zipfile.ZipFile(path) as archive:
        member = stored_members(archive, path.stat().st_size)["model.weights.h5"]
        with archive.open(member) as stored, h5py.File(stored) as file:
            check_hdf5(file, member.file_size)
