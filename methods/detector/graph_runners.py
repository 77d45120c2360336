"""Graph files that are run, without Keras but for its own format."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from methods.engine.onnx_session import open_session

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _run_onnx(path: Path) -> Run:
    session = open_session(path)
    return lambda batch: session.run(["maps", "scores"], {"images": batch})


def _run_openvino(path: Path) -> Run:
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", exact)

    def judge(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = compiled(batch)
        return np.array(outputs["maps"]), np.array(outputs["scores"])

    return judge


def _run_saved_model(path: Path) -> Run:
    import keras

    serve = keras.layers.TFSMLayer(str(path), call_endpoint="serve")

    def judge(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = serve(batch)
        return np.array(outputs["maps"]), np.array(outputs["scores"])

    return judge


def _run_litert(path: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner()
    [name] = run.get_input_details()

    def judge(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = [run(**{name: batch[i : i + 1]}) for i in range(len(batch))]
        maps, scores = (
            np.concatenate([output[key] for output in outputs])
            for key in ("maps", "scores")
        )
        return maps, scores

    return judge


RUNNERS = {
    "onnx": _run_onnx,
    "openvino": _run_openvino,
    "saved_model": _run_saved_model,
    "litert": _run_litert,
}
