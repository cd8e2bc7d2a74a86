"""Meta-learning's presets and controls, as data; reading their names takes no torch."""

from __future__ import annotations

from typing import Any

from unseen.nn.meta.settings import MetaSettings

__all__ = ["CONTROLS", "FAST", "PRESETS", "PUBLISHED"]

# Ten passes over all normals in each of twenty episodes are 200 passes: an hour for 50,000 rows on two cores. This is
# the published recipe with a limit on the inner loop's steps and nothing else changed.
PUBLISHED = MetaSettings(inner_steps=100)

# Where the published recipe goes wrong, and what is changed: normals alone teach the inner loop to call every row
# normal (inner_shots), few outer steps do not undo that (outer_epochs, head_rate, unfrozen_rate), and the encoder moves
# on while the head stays (anneal, last_calibration).
FAST = MetaSettings(
    inner_steps=60,
    inner_shots=True,
    anneal=True,
    last_calibration=True,
    outer_epochs=8,
    head_rate=1e-2,
    unfrozen_rate=1e-3,
)


def _fast(**changes: Any) -> MetaSettings:
    return FAST.model_copy(update=changes)


# What each one changes of "fast", in words for the list of methods.
CONTROLS: dict[str, tuple[str, MetaSettings]] = {
    "published": ("the published constants with a limit on steps", PUBLISHED),
    "released": (
        "as its authors' code: labelled anomalies in the inner loop, the perturbation reversed",
        PUBLISHED.model_copy(update={"mode": "released", "reverse_perturbation": True}),
    ),
    # The decisive one: the plain network, as a user would train it.
    "joint": ("one loss on the same rows, no episodes", _fast(mode="joint", epsilon=0.0)),
    "extended": (
        "shuffled normals in the inner loop, and the head sees the reconstruction error",
        _fast(synthetic=True, error_view=True),
    ),
    "joint-extended": (
        "the joint control with the same extensions",
        _fast(mode="joint", epsilon=0.0, synthetic=True, error_view=True),
    ),
    "no-inner": ("an untrained encoder", _fast(inner=False, unfrozen_rate=None)),
    "no-outer": ("no outer loop", _fast(outer=False, last_calibration=False)),
    "one-direction": ("families keep their first roles", _fast(directions="one")),
    "random-families": ("families serve at random, not the hardest", _fast(families="random")),
    "no-perturbation": ("rows as they are", _fast(epsilon=0.0)),
    "reversed-perturbation": ("rows moved away from the normals", _fast(reverse_perturbation=True)),
    "fixed-temperature": ("a temperature of 1", _fast(fixed_temperature=True)),
    "no-pcgrad": ("conflicting gradients added up", _fast(pcgrad=False)),
    "shuffled-outer": ("labels permuted in the outer loop", _fast(shuffled_outer=True)),
    "untrained": ("the weights it starts from", _fast(inner=False, outer=False, last_calibration=False)),
}

PRESETS: dict[str, MetaSettings] = {
    "fast": FAST,
    "paper": MetaSettings(),
    **{name: settings for name, (_, settings) in CONTROLS.items()},
}
