"""How Winnow is packed: the package ``winnow`` under lib/, with nothing required but what a cluster brings."""

import re
from pathlib import Path

from setuptools import find_packages, setup

# Read, not imported: the package is not there yet.
source = (Path(__file__).parent / "lib" / "winnow" / "__init__.py").read_text()
version = re.search(r'__version__ = "(.+)"', source)[1]

CONNECT = ["grpcio>=1.76", "grpcio-status>=1.76", "googleapis-common-protos>=1.71", "zstandard>=0.25"]
SAIL = ["pysail>=0.7.2,<0.8", "deltalake>=1.6,<2"]
HOLIDAYS = ["holidays>=0.109"]
FAISS = ["faiss-cpu>=1.15,<2"]
SKLEARN = ["scikit-learn>=1.9,<2"]
XGBOOST = ["xgboost-cpu>=3.2,<4", *SKLEARN]  # plain xgboost pulls a GPU package
# For Linux on Intel's processors there is the build of torch with CUDA only: 3 GB to fetch, 5 GB on disk, and it does not
# start without the libraries of a GPU, though it needs none. A torch that is there already, such as a build for CPUs, will
# do. The exporter to ONNX asks for onnxscript; what only scores needs onnxruntime and nothing else of these.
DEEP = ["torch>=2.9,<3", "onnx>=1.20,<2", "onnxscript>=0.7,<0.8", "onnxruntime>=1.25,<2"]
MLFLOW = ["mlflow-skinny>=3.17,<4"]
JINJA = ["jinja2>=3.1,<4"]

setup(
    name="winnow",
    version=version,
    description="Impression logs to training data, and training data to recommendations, on Spark and Delta Lake",
    license="Apache-2.0",
    package_dir={"": "lib"},
    packages=find_packages("lib"),
    package_data={"winnow": ["py.typed", "reporting/templates/*"]},
    python_requires=">=3.11",
    # A cluster brings its own Spark, so nothing is required: what a laptop needs is the extra "spark".
    install_requires=[],
    extras_require={
        "spark": [
            # delta-spark 4.4.0 is the last with jars, and it accepts no later pyspark.
            "pyspark==4.2.0",
            "delta-spark==4.4.0",
            "pandas>=2.2,<3",  # pyspark 4.2 warns about pandas 3
            "pyarrow>=18",
            "numpy>=2",
        ],
        "features": HOLIDAYS,
        "ann": FAISS,
        "xgb": XGBOOST,
        "tune": SKLEARN,
        "report": JINJA,
        "mlflow": MLFLOW,
        "deep": DEEP,
        # What pyspark's client of Spark Connect needs.
        "connect": CONNECT,
        # Sail 0.7's faults with Delta are known and worked around (winnow/engines/sail.py): another line is another list.
        "sail": [*CONNECT, *SAIL],
        "dev": [
            *CONNECT,
            *SAIL,
            *HOLIDAYS,
            *FAISS,
            *XGBOOST,
            *JINJA,
            *MLFLOW,
            "pytest>=9.2,<10",
            "pytest-timeout>=2.4,<3",
            "pytest-xdist>=3.8,<4",
            "chispa>=0.12,<0.13",
            "hypothesis>=6.170,<7",
            "duckdb>=2.0,<3",
            "polars>=2.1,<3",
            "xxhash>=3.5,<4",
            "pyyaml>=6,<7",
            # The formatter's and the checkers' opinions change between minor versions: one opinion for everybody.
            "ruff>=0.17.6,<0.18",
            "mypy>=2.4.1,<2.5",
            "import-linter>=2.16,<2.17",
        ],
    },
)
