"""What may be loaded: files of native formats by their names, and classes of Spark ML by theirs; no pickle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

#: A part that is a file: JSON, ONNX, or xgboost's UBJSON.
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}\.(json|onnx|ubj)")
#: Those, and what Spark writes into folders.
_NATIVE = re.compile(r"_SUCCESS|part-\d{5}|[\w.-]+\.(json|onnx|ubj|parquet|txt|crc)")

_PACKAGE = "org.apache.spark."
#: Models of Spark ML that compute and do nothing else. SQLTransformer, for one, runs text; xgboost's wrapper keeps pickle.
_CLASSES = frozenset(
    f"{_PACKAGE}ml.{name}"
    for name in [
        "PipelineModel",
        "classification.DecisionTreeClassificationModel",
        "classification.FMClassificationModel",
        "classification.GBTClassificationModel",
        "classification.LogisticRegressionModel",
        "classification.RandomForestClassificationModel",
        "feature.Bucketizer",
        "feature.CountVectorizerModel",
        "feature.FeatureHasher",
        "feature.HashingTF",
        "feature.IDFModel",
        "feature.ImputerModel",
        "feature.NGram",
        "feature.Normalizer",
        "feature.OneHotEncoderModel",
        "feature.RegexTokenizer",
        "feature.StandardScalerModel",
        "feature.StopWordsRemover",
        "feature.StringIndexerModel",
        "feature.Tokenizer",
        "feature.VectorAssembler",
        "feature.VectorSizeHint",
        "recommendation.ALSModel",
        "regression.GBTRegressionModel",
        "regression.IsotonicRegressionModel",
        "regression.LinearRegressionModel",
    ]
)


def foreign(files: Iterable[str], read: Callable[[str], bytes]) -> Iterator[str]:
    """Say each file, and each class that a file of Spark ML's metadata names, that is on no list."""
    for file in files:
        path = PurePosixPath(file)
        if not _NATIVE.fullmatch(path.name):
            yield f"the file {file}"
        elif path.parent.name == "metadata" and path.suffix != ".crc":
            for line in read(file).splitlines():
                if (name := _class_of(line)) not in _CLASSES:
                    yield f"the class {name} ({file})"


def python_class(metadata: bytes) -> tuple[str, str]:
    """Return the module and the name of pyspark's class for the model that a checked file of metadata names."""
    module, _, name = _class_of(metadata.splitlines()[0]).removeprefix(_PACKAGE).rpartition(".")
    return f"pyspark.{module}", name


def _class_of(line: bytes) -> str:
    try:
        return str(json.loads(line)["class"])
    except (ValueError, TypeError, KeyError):
        return "none"
