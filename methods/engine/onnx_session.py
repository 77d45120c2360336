"""ONNX files that are run on the CPU; needs no Keras."""

from pathlib import Path
from typing import Any


def open_session(path: Path) -> Any:
    """Return the session of ONNX Runtime that runs a file."""
    import onnxruntime

    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3  # it warns that the threshold is no constant
    return onnxruntime.InferenceSession(path, quiet, ["CPUExecutionProvider"])
