"""The passes of the SVD against numpy's own, on whole matrices."""

import numpy as np
import pytest

from winnow.retrieval import subspace
from winnow.retrieval.subspace import Cells, complete, first_basis, fold_all, orthonormal, power, project


def cells_of(matrix, is_known):
    rows, media = np.nonzero(is_known)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1))
    return Cells(starts, media, matrix[rows, media])


@pytest.fixture(scope="module")
def sparse():
    """A matrix of which a tenth is not zero, each row and column somewhere."""
    draw = np.random.default_rng(2)
    matrix = np.where(draw.random((80, 50)) < 0.1, draw.normal(size=(80, 50)), 0.0)
    matrix[np.arange(80), np.arange(80) % 50] += 1.0
    return matrix


def test_a_pass_is_the_product_with_the_matrix_however_small_its_portions(sparse, monkeypatch):
    cells, basis = cells_of(sparse, sparse != 0), first_basis(50, 6, 1)
    for portion in (1, 100, 1 << 22):
        monkeypatch.setattr(subspace, "_AT_ONCE", portion)
        assert np.allclose(power(cells, basis), sparse.T @ (sparse @ basis), atol=1e-12)
        assert np.allclose(project(cells, basis), sparse @ basis, atol=1e-12)


def test_passes_end_at_the_singular_vectors(sparse):
    basis = first_basis(50, 12, 1)
    for _ in range(60):
        basis = orthonormal(power(cells_of(sparse, sparse != 0), basis))
    best = np.linalg.svd(sparse)[2][:4].T
    assert np.allclose(basis @ (basis.T @ best), best, atol=1e-6)


def test_what_is_unknown_is_completed_and_not_taken_for_zero():
    draw = np.random.default_rng(3)
    truth = draw.normal(size=(120, 3)) @ draw.normal(size=(3, 90))
    is_known = draw.random(truth.shape) < 0.4
    cells, basis = cells_of(truth, is_known), first_basis(90, 3, 1)
    for _ in range(80):
        basis = orthonormal(complete(cells, basis, 1e-6))
    found = fold_all(cells, basis, 1e-6) @ basis.T
    assert np.abs(found - truth)[~is_known].max() < 1e-2
    assert np.abs(np.where(is_known, truth, 0.0) @ basis @ basis.T - truth)[~is_known].mean() > 0.5, (
        "as zeros it is lost"
    )
