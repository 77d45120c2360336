"""What can calculate a network besides Keras, and what that needs."""

import importlib.metadata
import importlib.util

from processing.errors import UserError

from .backend import chosen_backend

KERAS, ONNX = "keras", "onnx"
FIT_RUNTIMES = (KERAS, ONNX)  # of the backbones that stay as they are
LITERT = (3, 13)  # of Keras, the first that writes it
PACKAGES = {  # by kind of graph, to write and to run it
    ONNX: ("tf2onnx", "onnx", "onnxruntime"),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert",),
    "saved_model": ("tensorflow",),
}
INSTALL = "pip install 'keras-anomaly[export]'"


def check_packages(graph: str) -> None:
    """Raise `UserError` for a kind of graph that no installed packages write."""
    for package in PACKAGES[graph]:
        if importlib.util.find_spec(package) is None:
            raise UserError(f"{graph} needs the package {package}: {INSTALL}")
    keras = importlib.metadata.version("keras")
    if graph == "litert" and tuple(map(int, keras.split(".")[:2])) < LITERT:
        raise UserError(
            f"litert needs Keras {'.'.join(map(str, LITERT))} or newer, and so Python "
            f"3.11. Received: Keras {keras}"
        )


def check_graphs(runtime: str) -> None:
    """Raise `UserError` for a runtime that no graph can be written for here."""
    if runtime == KERAS:
        return
    check_packages(runtime)
    if chosen_backend() != "tensorflow":
        raise UserError(
            f"{runtime}: its graphs are made of TensorFlow's: expected no "
            f"KERAS_BACKEND. Received: {chosen_backend()}"
        )
