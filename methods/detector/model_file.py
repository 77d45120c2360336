"""The model file: one HDF5 file with weights, arrays and the whole record.

    /model_weights   the main network as Keras saves it, so that Keras opens the file
    /networks/NAME/I weights in the order of `network.weights`
    /arrays/NAME     everything learned that is no weight
    /preparation/NAME  what the preparation of images learned
    attribute record JSON: method, configuration, preparation, splits, versions

Each of these arrays has its CRC-32 as an attribute, which loading checks. Nothing in
the file is executed or unpickled, and nothing outside of it is read.
"""

import hashlib
import itertools
import json
import logging
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

import methods
from processing.errors import UserError
from processing.files import check_room, decoded, replacing
from processing.hdf5 import ArraySpec, check_array, check_arrays, check_hdf5
from processing.preprocessing.preparation import Preparation

from .detector import Detector
from .json_record import shown
from .records import EARLIER, TrainingRecord
from .settings import check_settings

FORMAT = "keras-anomaly"
FORMAT_VERSION = 2  # 1 had no preparation but resizing
GROUPS = {"model_weights", "networks", "arrays", "preparation"}
LEARNED = {"reference", "mask", "core"}  # in /preparation
OVERHEAD = 4096  # bytes of an array in a file, besides its own, at most
# What reading raises where bytes are not those that were written.
DAMAGED = (
    *(OSError, LookupError, ValueError, TypeError, RuntimeError),
    *(AttributeError, ArithmeticError),
)


def save_model(path: Path, detector: Detector, record: TrainingRecord) -> None:
    """Write `detector` and its `record` to `path`, whole or not at all."""
    method = detector.method
    weights = [x for network in method.networks.values() for x in network.weights]
    arrays = [*method.arrays.values(), *detector.preparation.arrays.values()]
    _check_room(path, [*weights, *arrays])
    with replacing(path, suffix=".hdf5") as temporary:
        if len(method.networks) == 1:
            _save_keras(temporary, *method.networks.values())
        with h5py.File(temporary, "a") as file:
            for name, network in method.networks.items():
                _write_weights(file, name, network)
            for name, array in method.arrays.items():
                _write(file, f"arrays/{name}", array)
            for name, array in detector.preparation.arrays.items():
                _write(file, f"preparation/{name}", array)
            file.attrs["format"] = FORMAT
            file.attrs["format_version"] = FORMAT_VERSION
            content = replace(
                record,
                config=method.get_config(),
                preparation=detector.preparation.config(),
            ).to_json()
            file.attrs["record"] = json.dumps(content, ensure_ascii=False)


def _check_room(path: Path, arrays: Iterable[Any]) -> None:
    """Raise `UserError` if the disk is too full; HDF5 would crash the process."""
    sizes = [math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in arrays]
    check_room(path, sum(sizes) + OVERHEAD * (len(sizes) + 64))


def _save_keras(path: Path, network: Any) -> None:
    """Save in the layout of Keras, without its advice against HDF5."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        network.save(path)
    finally:
        logger.setLevel(level)


def _write_weights(file: h5py.File, name: str, network: Any) -> None:
    """Write weights in order, as links where the Keras layout holds them already."""
    present = iter(_keras_weights(file)) if "model_weights" in file else None
    for index, weight in enumerate(network.weights):
        key = f"networks/{name}/{index}"
        _write(file, key, np.asarray(weight), next(present) if present else None)
        if file[key].shape != tuple(weight.shape):
            raise RuntimeError(f"{key} does not have the shape of {weight.path}")


def _write(
    file: h5py.Group, key: str, array: Any, present: h5py.Dataset | None = None
) -> None:
    """Write an array, or a link to where it is present, with its checksum."""
    file[key] = array if present is None else present
    file[key].attrs["crc32"] = _checksum(array)


def _read(dataset: h5py.Dataset) -> Any:
    """Return an array; a `ValueError` if it is not what was written."""
    array = dataset[()]
    if dataset.attrs.get("crc32", checksum := _checksum(array)) != checksum:
        raise ValueError(f"{dataset.name} has changed since it was written")
    return array


def _checksum(array: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _keras_weights(file: h5py.File) -> Iterator[h5py.Dataset]:
    group = file["model_weights"]
    for layer in group.attrs["layer_names"]:
        for weight in group[layer].attrs["weight_names"]:
            yield group[layer][weight]


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a model file for reading; one clear `UserError` if it is none.

    It is opened once: a file that takes its place meanwhile changes nothing, and one
    that is written into it is an error.
    """
    if not path.is_file():
        raise UserError(f"no such model file: {path}")
    with path.open("rb") as source:
        before = _state(source)
        try:
            file = h5py.File(source, "r")
        except OSError as error:
            kind = "truncated" if "truncated" in str(error) else "not an HDF5 file"
            raise UserError(
                f"cannot read the model file {path}: it is {kind}"
            ) from error
        with file:
            try:
                _check_format(file, path)
                check_hdf5(file, before[0])
                _check_names("/", file, GROUPS)
                _check_names("/preparation", file.get("preparation", ()), LEARNED)
                yield file
            except DAMAGED as error:
                raise UserError(f"the model file {path} is damaged: {error}") from error
        if _state(source) != before:
            raise UserError(
                f"the model file {path} was written while it was read: start again"
            )


def _state(source: BinaryIO) -> tuple[int, int]:
    status = os.fstat(source.fileno())
    return status.st_size, status.st_mtime_ns


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise UserError(f"{path} is an HDF5 file, but not one that train.py wrote")
    version = int(file.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {version}; this version reads up to "
            f"{FORMAT_VERSION}. Update the toolkit"
        )


def _check_names(place: str, names: Iterable[str], known: set[str]) -> None:
    """Raise a `ValueError` for a name in a group that is none of those known."""
    if unknown := {*names} - known:
        raise ValueError(f"{place} holds {shown(min(unknown))}, which is unknown")


def read_record(path: Path) -> TrainingRecord:
    """Return the record of a model file without loading its weights."""
    with opened(path) as file:
        return _record(file, path)


def _record(file: h5py.File, path: Path) -> TrainingRecord:
    text = file.attrs["record"]
    record = TrainingRecord.from_json(decoded(text, path), path)
    if record.id:
        return record
    return replace(record, id=EARLIER + hashlib.sha256(text.encode()).hexdigest()[:32])


def read_unfitted(path: Path) -> tuple[Detector, TrainingRecord]:
    """Return the detector in a model file before training, and the record."""
    record, arrays = read_preparation(path)
    return unfitted(record, arrays, path), record


def read_preparation(path: Path) -> tuple[TrainingRecord, dict[str, np.ndarray]]:
    """Return the record of a model file, and what its preparation learned."""
    with opened(path) as file:
        return _record(file, path), _prepared(file)


def _prepared(file: h5py.File) -> dict[str, np.ndarray]:
    learned = file.get("preparation", {})
    return {name: _read(learned[name]) for name in learned}


def unfitted(
    record: TrainingRecord,
    arrays: Mapping[str, np.ndarray],
    path: Path,
    method: Any = None,
) -> Detector:
    """Return the detector that a record describes, before training.

    Args:
        record: of the training run.
        arrays: what its preparation learned.
        path: where the record was read.
        method: to take instead of one of the record's configuration, see
            `methods.detector.later`.

    Raises:
        UserError: a configuration that the method or the preparation does not take.
    """
    try:
        method = method or _method(record, path)
        if record.preparation is None:  # format version 1
            return Detector(method)
        check_settings(Preparation, record.preparation, "preparation")
        preparation = Preparation(**record.preparation, arrays=dict(arrays))
        check_arrays("/preparation", arrays, preparation.array_specs)
        if preparation.seen_shape != method.image_shape:
            raise ValueError(
                f"images prepared to {preparation.seen_shape}, the method takes "
                f"{method.image_shape}"
            )
        return Detector(method, preparation)
    except DAMAGED as error:
        raise UserError(f"{path} is damaged: config or preparation: {error}") from error


def _method(record: TrainingRecord, path: Path) -> Any:
    kind = methods.recorded(record.method, path)
    if record.method in methods.METHODS:  # others check their arguments themselves
        check_settings(kind, record.config, "config")
    return kind(**kind.recorded_config(record.config))


def load_model(path: Path) -> tuple[Detector, TrainingRecord]:
    """Return the fitted detector and the record in a model file."""
    with opened(path) as file:
        record = _record(file, path)
        detector = unfitted(record, _prepared(file), path)
        method = detector.method
        for name in file.get("arrays", ()):
            method.arrays[name] = _read(file["arrays"][name])
        if record.method in methods.METHODS:
            _check_learned(file, method)
        method.build()
        _check_names("/networks", file.get("networks", ()), {*method.networks})
        for name, network in method.networks.items():
            group = file["networks"][name]
            _check_names(group.name, group, {*map(str, range(len(network.weights)))})
            for index, weight in enumerate(network.weights):  # in memory one by one
                if str(index) not in group:
                    raise ValueError(f"it lacks {group.name}/{index}")
                array = _read(group[str(index)])
                spec = ArraySpec(tuple(weight.shape), np.dtype(weight.dtype).kind)
                check_array(f"{group.name}/{index}", array, spec)
                weight.assign(array)
    return detector, record


def _check_learned(file: h5py.File, method: Any) -> None:
    """Raise a `ValueError` unless the arrays are the method's, before it is built.

    What they size is as large as it is in the file: it is not allocated in vain.
    """
    specs = method.array_specs()
    check_arrays("/arrays", method.arrays, specs)
    for name, spec in specs.items():
        for network, rows in spec.rows.items():
            wanted = int(method.arrays[name]) * rows
            found = file[f"networks/{network}/0"].shape[0]
            if wanted != found:
                raise ValueError(
                    f"/networks/{network}/0: expected {wanted} rows by /arrays/{name}. "
                    f"Received: {found}"
                )


def save_checkpoint(
    path: Path, arrays: Mapping[str, list[np.ndarray]], state: Mapping[str, Any]
) -> None:
    """Write lists of arrays and a JSON state, whole or not at all."""
    _check_room(path, itertools.chain.from_iterable(arrays.values()))
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["state"] = json.dumps(state)
        for kind, values in arrays.items():
            group = file.create_group(kind)
            for index, value in enumerate(values):
                _write(group, str(index), value)


def load_checkpoint(path: Path) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
    """Return what `save_checkpoint` wrote; a `UserError` for a damaged file."""
    try:
        with h5py.File(path, "r") as file:
            check_hdf5(file, path.stat().st_size)
            state = json.loads(file.attrs["state"])
            arrays = {
                kind: [_read(group[str(i)]) for i in range(len(group))]
                for kind, group in file.items()
            }
    except DAMAGED as error:
        raise UserError(f"{path} is damaged: {error}") from error
    return arrays, state
