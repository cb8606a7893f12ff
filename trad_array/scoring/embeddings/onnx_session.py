"""ONNX networks through onnxruntime: one thread, and one line about what cannot be loaded."""

from pathlib import Path
from typing import Any

from trad_array.errors import MissingExtra, WeightsError


def open_session(path: Path) -> Any:
    """Session of an ONNX file that runs on one thread of the processor.

    Raises
    ------
    MissingExtra
        If onnxruntime is not installed.
    WeightsError
        If the file is damaged or no ONNX network.
    """
    try:
        import onnxruntime
    except ImportError as trouble:
        raise MissingExtra("onnxruntime", "embeddings") from trouble
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Only fatal messages: what goes wrong is told by the exception.
    options.log_severity_level = 4
    try:
        # Bytes, not the path: a network may not name further files beside it.
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as trouble:
        raise WeightsError(f"{path}: cannot be read: {trouble.strerror or trouble}") from trouble
    except Exception as trouble:  # onnxruntime has a dozen classes for it, all below Exception
        raise WeightsError(
            f"{path}: expected an ONNX network, found something else or a damaged one ({type(trouble).__name__})"
        ) from trouble
