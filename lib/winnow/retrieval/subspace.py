"""Passes of a truncated SVD over the rows of a sparse matrix, a block of users at a time, as whole-array work.

Both passes turn an orthonormal basis V (media x k) into a better one, of which only sums over blocks are needed:

- ``power``: of A itself, what is not there being 0: W = A' A V, one step of randomised subspace iteration (Halko,
  Martinsson, Tropp, SIAM Review 2011, algorithm 4.4), as PureSVD uses it (Cremonesi, Koren, Turrin, RecSys 2010).
- ``complete``: of A completed by its own approximation, what is not there being unknown: each user's u is the ridge solution
  on what is known, S = known - u V', and W = (U V' + S)' (U V' + S) V = V U'P + S'P with P = U + S V. At rest V spans what
  the SVD of the completed matrix spans (the EM of Srebro and Jaakkola, ICML 2003).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

#: Numbers that are held at a time, 8 bytes each.
_AT_ONCE = 1 << 22


class Cells(NamedTuple):
    """Known cells of the matrix, by row: row r has those from starts[r] to starts[r + 1]."""

    starts: Whole
    media: Whole
    values: Matrix


def first_basis(media: int, width: int, seed: int) -> Matrix:
    """Return an orthonormal basis of a random subspace."""
    return orthonormal(np.random.default_rng(seed).normal(size=(media, min(width, media))))


def orthonormal(vectors: Matrix) -> Matrix:
    """Return an orthonormal basis of what the columns span."""
    basis: Matrix = np.linalg.qr(vectors)[0].astype(np.float64)
    return basis


def strongest(summed: Matrix, rank: int) -> Matrix:
    """Return an orthonormal basis of the strongest ``rank`` directions of A'A V: it stretches by the squares of A's own."""
    vectors: Matrix = np.linalg.svd(summed, full_matrices=False)[0][:, :rank].astype(np.float64)
    return vectors


def power(cells: Cells, basis: Matrix) -> Matrix:
    """Return A'A V of the rows."""
    summed = np.zeros_like(basis)
    for part in _portions(cells, basis.shape[1]):
        projected = _by_row(part, basis[part.media] * part.values[:, None])
        _add(summed, part, projected)
    return summed


def complete(cells: Cells, basis: Matrix, ridge: float) -> Matrix:
    """Return W of the rows, completed by their own approximation."""
    width = basis.shape[1]
    summed, crossed = np.zeros_like(basis), np.zeros((width, width))
    for part in _portions(cells, width * width):
        users = fold_in(part, basis, ridge)
        rows = np.repeat(np.arange(len(users)), np.diff(part.starts))
        left = part.values - (users[rows] * basis[part.media]).sum(axis=1)
        rest = Cells(part.starts, part.media, left)
        projected = users + _by_row(rest, basis[rest.media] * left[:, None])
        crossed += users.T @ projected
        _add(summed, rest, projected)
    return summed + basis @ crossed


def fold_in(cells: Cells, basis: Matrix, ridge: float) -> Matrix:
    """Return the ridge solution of each row on its n known cells: (V'V + ridge n / media I) u = V'a."""
    known = basis[cells.media]
    counts = np.diff(cells.starts)
    grams = _by_row(cells, (known[:, :, None] * known[:, None, :]).reshape(len(known), -1))
    grams = grams.reshape(-1, basis.shape[1], basis.shape[1])
    # The basis has length 1 over all media: a media's share of it is small, and so is what draws towards zero.
    grams += ((ridge * counts + 1e-6) / len(basis))[:, None, None] * np.eye(basis.shape[1])
    sides = _by_row(cells, known * cells.values[:, None])
    solved: Matrix = np.linalg.solve(grams, sides[:, :, None])[:, :, 0].astype(np.float64)
    return solved


def project(cells: Cells, basis: Matrix) -> Matrix:
    """Return A V of the rows."""
    return np.concatenate(
        [
            np.empty((0, basis.shape[1])),
            *(_by_row(part, basis[part.media] * part.values[:, None]) for part in _portions(cells, basis.shape[1])),
        ]
    )


def fold_all(cells: Cells, basis: Matrix, ridge: float) -> Matrix:
    """Return ``fold_in`` of all rows, some at a time."""
    width = basis.shape[1]
    return np.concatenate(
        [np.empty((0, width)), *(fold_in(part, basis, ridge) for part in _portions(cells, width * width))]
    )


def _portions(cells: Cells, width: int) -> Iterator[Cells]:
    """Yield some rows at a time, so that ``width`` numbers a cell fit into memory."""
    step, row, last = max(1, _AT_ONCE // width), 0, len(cells.starts) - 1
    while row < last:
        end = int(np.searchsorted(cells.starts, cells.starts[row] + step, side="right")) - 1
        end = min(max(end, row + 1), last)
        low, high = int(cells.starts[row]), int(cells.starts[end])
        yield Cells(cells.starts[row : end + 1] - low, cells.media[low:high], cells.values[low:high])
        row = end


def _by_row(cells: Cells, of_cells: Matrix) -> Matrix:
    """Return the sum over each row's cells; every row has one."""
    summed: Matrix = np.add.reduceat(of_cells, cells.starts[:-1], axis=0)
    return summed


def _add(summed: Matrix, cells: Cells, of_rows: Matrix) -> None:
    """Add to each media what its cells have, times the vector of their row."""
    rows = np.repeat(np.arange(len(of_rows)), np.diff(cells.starts))
    order = np.argsort(cells.media, kind="stable")
    media, starts = np.unique(cells.media[order], return_index=True)
    summed[media] += np.add.reduceat(of_rows[rows[order]] * cells.values[order][:, None], starts, axis=0)
