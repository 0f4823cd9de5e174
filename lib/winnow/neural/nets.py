"""Nets in ONNX, asked by onnxruntime wherever it is, without torch."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from winnow.errors import SettingsError

#: Under which key of ONNX's metadata the facts of a net stand.
FACTS = "winnow"
#: Sessions of onnxruntime that a worker keeps: the nets of the few models that it is asked for.
_SESSIONS_KEPT = 4


def facts_of(net: bytes) -> dict[str, Any]:
    """Return what the net tells whoever asks it, as ``layers.as_onnx`` wrote it into the file."""
    told: dict[str, Any] = json.loads(_session(net).get_modelmeta().custom_metadata_map[FACTS])
    return told


def run_onnx(net: bytes, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Return the net's output for the rows of its inputs; the net is read once a process."""
    output: npt.NDArray[np.float32] = _session(net).run(None, dict(inputs))[0]
    return output


@functools.lru_cache(maxsize=_SESSIONS_KEPT)
def _session(net: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as missing:
        raise SettingsError(
            f"neural: expected onnxruntime to score with, found none ({missing}). Install winnow[deep] where Spark's "
            "workers run."
        ) from missing
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a task of Spark has one core
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(net, options, providers=["CPUExecutionProvider"])
