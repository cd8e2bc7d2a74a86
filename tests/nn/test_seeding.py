from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from unseen.nn.seeding import derive_seed, generator, isolated_rng


@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_derived_seeds_are_stable_and_apart(seed: int, epoch: int) -> None:
    value = derive_seed(seed, "shuffle", epoch)
    assert value == derive_seed(seed, "shuffle", epoch)
    assert 0 <= value < 2**63
    assert len({value, derive_seed(seed + 1, "shuffle", epoch), derive_seed(seed, "noise", epoch)}) == 3
    assert value != derive_seed(seed, "shuffle", epoch + 1)


def test_isolated_rng_gives_the_global_state_back_even_after_an_error() -> None:
    before = torch.random.get_rng_state()
    try:
        with isolated_rng(1):
            first = torch.rand(3)
            raise RuntimeError("inside")
    except RuntimeError:
        pass
    assert torch.equal(before, torch.random.get_rng_state())
    with isolated_rng(1):
        assert torch.equal(first, torch.rand(3))
    with isolated_rng(2):
        assert not torch.equal(first, torch.rand(3))


def test_generators_do_not_share_state() -> None:
    a, b = generator(0, "noise"), generator(0, "noise")
    torch.rand(5, generator=a)
    assert torch.equal(torch.rand(3, generator=generator(0, "noise")), torch.rand(3, generator=b))
