from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unseen.errors import InputError
from unseen.nn.encoders import build_encoder
from unseen.nn.flows import masked_autoregressive_flow, negative_log_likelihood
from unseen.nn.inference import CHUNK, run_in_chunks

X = (3 * np.random.default_rng(0).standard_normal((600, 33))).astype(np.float32)
NETWORKS = {
    "cnn-transformer": build_encoder({"kind": "cnn-transformer", "features": 33, "layers": 2}).eval(),
    "mlp": build_encoder({"kind": "mlp", "features": 33}).eval(),
    "flow": partial(negative_log_likelihood, masked_autoregressive_flow(33, 2, (128, 128), standardise=True).eval()),
}


@cache
def whole_of(name: str) -> np.ndarray:
    """The results of all rows at once; not at import, where the thread count is not yet set."""
    return run_in_chunks(NETWORKS[name], X)


networks = pytest.mark.parametrize("name", list(NETWORKS))
selections = st.one_of(
    st.integers(0, len(X) - 1).map(lambda row: np.array([row])),
    st.tuples(st.integers(0, len(X)), st.integers(0, len(X))).map(lambda ends: np.arange(min(ends), max(ends))),
    st.integers(0, 2**31).map(lambda seed: np.random.default_rng(seed).permutation(len(X))),
    st.tuples(st.integers(0, 2**31), st.integers(1, 700)).map(
        lambda draw: np.random.default_rng(draw[0]).integers(0, len(X), draw[1])
    ),
)


@networks
@given(selection=selections)
@settings(max_examples=25, deadline=None)
def test_a_row_does_not_depend_on_the_others(name: str, selection: np.ndarray) -> None:
    part = run_in_chunks(NETWORKS[name], X[selection])
    assert part.shape == (len(selection), *whole_of(name).shape[1:])
    assert np.array_equal(part, whole_of(name)[selection])


@networks
@given(scale=st.sampled_from([0.0, 1e-3, 1e3, 1e30, np.inf, np.nan]), row=st.integers(0, 255))
@settings(max_examples=15, deadline=None)
def test_a_wild_neighbour_does_not_leak(name: str, scale: float, row: int) -> None:
    neighbours = np.full_like(X[:256], scale)
    neighbours[row] = X[row]
    assert np.array_equal(run_in_chunks(NETWORKS[name], neighbours)[row], whole_of(name)[row])


@networks
@pytest.mark.parametrize("chunk", [64, 128, 512])
def test_the_law_holds_for_other_chunks(name: str, chunk: int) -> None:
    whole = run_in_chunks(NETWORKS[name], X, chunk)
    order = np.random.default_rng(1).permutation(len(X))
    assert np.array_equal(run_in_chunks(NETWORKS[name], X[order], chunk), whole[order])
    assert np.array_equal(run_in_chunks(NETWORKS[name], X[17:18], chunk), whole[17:18])
    np.testing.assert_allclose(whole, whole_of(name), rtol=1e-3, atol=1e-4)


@networks
def test_no_rows_give_no_results_of_the_right_shape(name: str) -> None:
    assert run_in_chunks(NETWORKS[name], X[:0]).shape == (0, *whole_of(name).shape[1:])


def test_memory_layout_does_not_matter() -> None:
    assert np.array_equal(run_in_chunks(NETWORKS["mlp"], np.asfortranarray(X)), whole_of("mlp"))
    wide = np.repeat(X, 2, axis=1)[:, ::2]
    assert np.array_equal(run_in_chunks(NETWORKS["mlp"], wide), whole_of("mlp"))


def test_modules_run_in_evaluation_mode_and_get_their_mode_back() -> None:
    module = nn.Sequential(nn.Dropout(0.5)).train()
    assert np.array_equal(run_in_chunks(module, X), X)
    assert module.training
    assert module[0].training
    module.eval()
    run_in_chunks(module, X)
    assert not module.training


def test_the_mode_comes_back_after_an_error() -> None:
    module = build_encoder({"kind": "mlp", "features": 5}).train()
    with pytest.raises(RuntimeError):
        run_in_chunks(module, X)
    assert module.training


def test_every_micro_batch_has_the_one_shape() -> None:
    shapes = []

    def record(x: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(x.shape))
        assert not torch.is_grad_enabled()
        return x[:, 0]

    run_in_chunks(record, X)
    assert shapes == [(CHUNK, 33)] * 3


@pytest.mark.parametrize(
    ("rows", "chunk", "message"),
    [
        (X.astype(np.float64), 256, "float32 matrix, got 2 dimensions of float64"),
        (X[0], 256, "got 1 dimensions"),
        (X, 0, "chunk=0"),
    ],
)
def test_bad_input_is_refused(rows: np.ndarray, chunk: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_in_chunks(nn.Identity(), rows, chunk)
