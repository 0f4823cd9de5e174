"""Winnow: impression logs to training data, and training data to recommendations, on Spark and Delta Lake."""

#: Stands here, not in the package's metadata alone: a zip for ``--py-files`` has none.
__version__ = "0.1.0"
