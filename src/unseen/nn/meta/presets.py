"""Meta-learning's presets and controls, as data; reading their names takes no torch."""

from __future__ import annotations

from typing import Any

from unseen.nn.meta.settings import MetaSettings

__all__ = ["CONTROLS", "FAST", "PRESETS", "PUBLISHED"]

# Ten passes over all normals in each of twenty episodes are 200 passes: an hour for 50,000 rows on two cores. This is
# the published recipe with a limit on the inner loop's steps and nothing else changed.
PUBLISHED = MetaSettings(inner_steps=100)

# Where the published recipe goes wrong, and what is changed: normals alone teach the inner loop to call every row
# normal (inner_shots); an episode unlearns what those before it learned (replay, average, last_calibration); a latent
# that must restore the row keeps directions no known family needs, and new families come out on either side of them
# (reconstruction); many outer steps, taken without dropout, fit the head to the few shots (outer_epochs); a step of
# 0.002 changes the AUROC of classes left out in development by a thousandth, one of 0.05 raised it (epsilon). The
# encoder is half as wide and a block shallower, and there are fewer steps: a quarter of the cost.
FAST = MetaSettings(
    width=128,
    latent=64,
    blocks=2,
    inner_steps=29,
    inner_shots=True,
    replay=0.5,
    reconstruction=0.0,
    outer_epochs=1,
    unfrozen_rate=1e-4,
    average=True,
    last_calibration=True,
    epsilon=0.05,
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
    "joint-perturbed": ("the joint control, asked at the row moved by the preset's step", _fast(mode="joint")),
    "extended": (
        "shuffled normals in the inner loop, and the head sees the reconstruction error",
        _fast(synthetic=True, error_view=True, reconstruction=0.1),
    ),
    "joint-extended": (
        "the joint control with the same extensions",
        _fast(mode="joint", epsilon=0.0, synthetic=True, error_view=True, reconstruction=0.1),
    ),
    "no-inner": ("an untrained encoder", _fast(inner=False, unfrozen_rate=None)),
    "no-outer": ("no outer loop", _fast(outer=False, last_calibration=False)),
    "one-direction": ("families keep their first roles", _fast(directions="one")),
    "random-families": ("families serve at random, not the hardest", _fast(families="random")),
    "no-perturbation": ("rows as they are", _fast(epsilon=0.0)),
    "reversed-perturbation": ("rows moved away from the normals", _fast(reverse_perturbation=True)),
    "fixed-temperature": ("a temperature of 1", _fast(fixed_temperature=True)),
    "reconstruction": ("the inner loop restores normals, too", _fast(reconstruction=0.1)),
    "no-replay": ("the inner loop sees its roles alone", _fast(replay=0.0)),
    "no-average": ("the last episode's weights", _fast(average=False)),
    "no-pcgrad": ("conflicting gradients added up", _fast(pcgrad=False)),
    "shuffled-outer": ("labels permuted in the outer loop", _fast(shuffled_outer=True)),
    "untrained": ("the weights it starts from", _fast(inner=False, outer=False, last_calibration=False)),
}

PRESETS: dict[str, MetaSettings] = {
    "fast": FAST,
    "paper": MetaSettings(),
    **{name: settings for name, (_, settings) in CONTROLS.items()},
}
