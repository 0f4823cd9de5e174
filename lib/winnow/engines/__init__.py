"""The engines that run the line, each behind the same door: a session of Spark's API, and Delta's tables under it.

All of them are spoken to by the DataFrame API alone, so that stages know none of them. What they do differently, such as
how a lost race for a Delta table is told, ends here.
"""

from winnow.engines.engine import Comparison, Engine, Sizes, Value, engine_of, is_path
from winnow.engines.sessions import start_session
from winnow.engines.settings import ENGINES, EngineSettings

__all__ = [
    "ENGINES",
    "Comparison",
    "Engine",
    "EngineSettings",
    "Sizes",
    "Value",
    "engine_of",
    "is_path",
    "start_session",
]
