"""The sequential search: a Gaussian process of the trials so far, and next the point by which it expects to gain most.

Jones, Schonlau, Welch, "Efficient Global Optimization of Expensive Black-Box Functions" (Journal of Global Optimization 13,
1998), by the process of scikit-learn. Points that are asked for together are each believed to come out as expected (Ginsbourger,
Le Riche, Carraro, "Kriging is Well-Suited to Parallelize Optimization", 2010).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from winnow.errors import SettingsError
from winnow.tuning.settings import TuningSettings
from winnow.tuning.trials import FAILED, Trial, Tried

if TYPE_CHECKING:
    import numpy as np

#: Points of the whole space that are compared, and points around each of the best trials.
_ANYWHERE, _NEAR, _BEST = 2_000, 200, 3
#: How far around a trial they lie, as a share of each range; beyond an end they lie at it.
_WIDTH = 0.1


def propose(settings: TuningSettings, history: Sequence[Trial]) -> Iterator[Tried]:
    """Yield points where the trials so far promise most, the same for the same history, until all were tried.

    A trial that was given up is worth what it had by then, which is below the others', and one that failed as little as any.
    Raises SettingsError where scikit-learn is not installed.
    """
    try:
        import numpy as np
        from scipy.stats import norm
        from sklearn.exceptions import ConvergenceWarning
    except ImportError as missing:
        raise SettingsError(
            f'tuning.search: expected the package scikit-learn for "sequential", found: {missing}. Install winnow[tune], or '
            'take "random" or "grid".'
        ) from missing
    # One seed a place in the search: begun again from the same trials, it goes on as it would have.
    draw = np.random.default_rng(_seed(settings, len(history)))
    tried = [trial.tried for trial in history]
    gains = _gains(settings, history)
    process = _process(_coordinates(settings, tried[:1]).shape[1])
    while True:
        known = _coordinates(settings, tried)
        with warnings.catch_warnings():
            # Few trials tell little of a scale: it lies at its end then.
            warnings.simplefilter("ignore", ConvergenceWarning)
            process.fit(known, np.array(gains))
        process.set_params(optimizer=None, kernel=process.kernel_)  # what is believed teaches no scale
        points = _candidates(settings, tried, gains, draw)
        expected, error = process.predict(_coordinates(settings, points), return_std=True)
        more = expected - process.predict(known).max()
        error = np.maximum(error, 1e-12)
        gain = more * norm.cdf(more / error) + error * norm.pdf(more / error)
        gain[[point in tried for point in points]] = -np.inf
        chosen = int(gain.argmax())
        if gain[chosen] == -np.inf:
            return
        tried.append(points[chosen])
        gains.append(float(expected[chosen]))
        yield points[chosen]


def _gains(settings: TuningSettings, history: Sequence[Trial]) -> list[float]:
    """Return what each trial is worth, the larger the better."""
    known = {
        trial.place: settings.sign * trial.value
        for trial in history
        if trial.status != FAILED and trial.value is not None
    }
    least = min(known.values(), default=0.0)
    return [known.get(trial.place, least) for trial in history]


def _process(coordinates: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    smooth = ConstantKernel(1.0, (0.1, 10.0)) * Matern([1.0] * coordinates, (0.1, 10.0), nu=2.5)
    noise = WhiteKernel(0.01, (1e-5, 0.1))  # metrics of few users jump from point to point
    return GaussianProcessRegressor(smooth + noise, normalize_y=True, n_restarts_optimizer=1, random_state=0)


def _candidates(
    settings: TuningSettings, tried: Sequence[Tried], gains: Sequence[float], draw: np.random.Generator
) -> list[Tried]:
    """Return points to choose from: of the whole space, and around the best that were tried."""
    import numpy as np

    dimensions = settings.dimensions
    shares = [draw.random((_ANYWHERE, len(dimensions)))]
    for place in np.argsort(gains)[::-1][:_BEST]:
        middle = [dimension.share_of(tried[place][key]) for key, dimension in dimensions.items()]
        shares.append(np.clip(draw.normal(middle, _WIDTH, (_NEAR, len(dimensions))), 0.0, 1.0))
    return [
        {key: dimension.at(share) for (key, dimension), share in zip(dimensions.items(), row, strict=True)}
        for row in np.concatenate(shares).tolist()
    ]


def _coordinates(settings: TuningSettings, points: Sequence[Tried]) -> np.ndarray[Any, Any]:
    """Return a row a point: of a range the share at which it lies, of choices one column each."""
    import numpy as np

    rows = [
        [
            coordinate
            for key, dimension in settings.dimensions.items()
            for coordinate in (
                [float(point[key] == choice) for choice in dimension.choices] or [dimension.share_of(point[key])]
            )
        ]
        for point in points
    ]
    return np.array(rows)


def _seed(settings: TuningSettings, place: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{settings.seed} {place}".encode()).digest()[:4])
