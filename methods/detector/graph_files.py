"""Graph files for other programs, written by converters."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from methods.engine.onnx_file import write_onnx
from processing.errors import UserError


def write_graph(network: Any, path: Path, graph: str, threshold: float) -> None:
    """Write a network from images to [maps, scores]; `UserError` if it has no graph.

    Args:
        network: such as `Method.inference_model` returns.
        path: to write to, with the suffix of its kind.
        graph: a key of `WRITERS`.
        threshold: which an ONNX graph has unless it is given another one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of converters about their own code
            WRITERS[graph](network, path, threshold)
    except Exception as error:  # of whichever converter
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"this model has no {graph} graph: {reason}") from error


def _write_onnx(network: Any, path: Path, threshold: float) -> None:
    images = keras.Input(network.input_shape[1:], name="images")
    limit = keras.Input(batch_shape=(), name="threshold")
    maps, scores = network(images)
    outputs = {"maps": maps, "masks": maps > limit, "scores": scores}
    judging = keras.Model([images, limit], outputs)
    write_onnx(judging, path, {"threshold": rounded_down(threshold)})


def rounded_down(threshold: float) -> np.ndarray:
    """Return the largest float32 that is not above: the same maps are above both."""
    value = np.float32(threshold)
    lower = np.nextafter(value, np.float32(-np.inf))
    return np.asarray(lower if float(value) > threshold else value)


def _write_openvino(network: Any, path: Path, threshold: float) -> None:
    """Write it by way of a SavedModel: OpenVINO takes no functions in Python 3.13."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        _write_saved_model(network, Path(folder), threshold)
        model = openvino.convert_model(folder)
        loosen_order(model)
        openvino.serialize(model, path)


def loosen_order(model: Any) -> None:
    """Let TopK take equal values in any order where nothing asks for their indices.

    It is for OpenVINO's plugin of CPUs, whose stable TopK takes nine tenths of the time
    of a network with a score of a map's highest values.
    """
    import openvino.opset11 as opset

    for node in model.get_ops():
        if node.get_type_name() != "TopK" or node.output(1).get_target_inputs():
            continue
        how = {**node.get_attributes(), "stable": False}
        loose = opset.topk(node.input_value(0), node.input_value(1), **how)
        for taker in node.output(0).get_target_inputs():
            taker.replace_source_output(loose.output(0))
    model.validate_nodes_and_infer_types()


def _write_saved_model(network: Any, path: Path, threshold: float) -> None:
    _named(network).export(str(path), format="tf_saved_model", verbose=False)


def _write_litert(network: Any, path: Path, threshold: float) -> None:
    one = keras.InputSpec("float32", (1, *network.input_shape[1:]), name="images")
    _named(network).export(
        str(path), format="litert", verbose=False, input_signature=[one]
    )


def _named(network: Any) -> Any:
    """Return a network whose outputs have names."""
    maps, scores = network.outputs
    named = keras.Model(network.inputs[0], {"maps": maps, "scores": scores})
    named(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras asks for it
    return named


WRITERS = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "saved_model": _write_saved_model,
    "litert": _write_litert,
}
