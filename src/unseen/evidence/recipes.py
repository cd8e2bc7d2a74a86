"""The fast recipe of one sculpted flow: small networks that train in seconds."""

from __future__ import annotations

from unseen.evidence.sculpted import SculptedRecipe
from unseen.nn.sculpt import FlowSettings, SculptSettings

__all__ = ["FAST", "FASTER"]

FAST = SculptedRecipe(
    sculpt=SculptSettings(
        encoder={"kind": "mlp", "hidden": [128, 128], "latent": 32},
        loss="binary",
        alpha=0.5,
        margin=5.0**0.5,
        distance="plain",
        power=2,
        noise=0.05,
        learning_rate=1e-3,
        schedule="one-cycle",
        batch_size=256,
        keep="last",
    ),
    flow=FlowSettings(
        transforms=3,
        hidden=(64,),
        log_scale="softclip",
        learning_rate=2e-3,
        schedule="one-cycle",
        batch_size=256,
    ),
    balance="square-root",
    encoder_steps=800,
    flow_steps=650,
    latent_directions=16,
    row_directions=16,
    triage="distance",
)

# For trials within a fit, such as leaving one known family out: they only rank evidences, and each family costs one.
FASTER = FAST.model_copy(update={"encoder_steps": 400, "flow_steps": 300})
