"""A flow on raw features against a flow on sculpted latents."""

from __future__ import annotations

from unseen.bench.experiments.compared import against, difference, verdicts
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.plan import UNSW_FIVE, Experiment, Variant, sculptor

__all__ = ["EXPERIMENT"]

_RAW, _SCULPTED, _UNTRAINED, _BESIDE = "raw features", "sculpted latents", "untrained latents", "latents and row"


def _answer(outcome: Outcome) -> list[str]:
    said = [against(outcome, _SCULPTED), against(outcome, _SCULPTED, "recall_0.01"), *verdicts(outcome)]
    sculpted = difference(outcome, _SCULPTED)
    if sculpted is not None:
        said.append(
            {
                1: "Sculpting before the density pays on these data.",
                -1: "Sculpting before the density costs on these data: what it flattens, the flow can no longer see.",
                0: "That sculpting before the density pays is not shown on these data.",
            }[sculpted.by_ranks]
        )
    return said


EXPERIMENT = Experiment(
    name="raw-against-sculpted",
    title="A flow on raw features against a flow on sculpted latents",
    question=(
        "Does it help to sculpt a latent space before the density is estimated, or would a flow on the features do?"
    ),
    design=(
        "The same flow (three blocks of 64, 600 to 800 steps) on the same rows, judged by density alone, without "
        "triage: on the whitened prepared features; on 16 whitened directions of the latents of an encoder that the "
        "preset fast has sculpted; of an encoder with random weights; and, as in the preset fast, on the sculpted "
        "latents beside 16 directions of the row. One member each.",
    ),
    protocols=("cicids2017-paper", "nsl-kdd-native", UNSW_FIVE.name),
    variants=(
        Variant(_RAW, "the whitened prepared features", "raw-flow"),
        Variant(_SCULPTED, "latents of the sculpted encoder", sculptor("LatentFlow")),
        Variant(_UNTRAINED, "a control: latents of an encoder with random weights", sculptor("UntrainedLatentFlow")),
        Variant(_BESIDE, "sculpted latents beside the row's own directions", sculptor("DensityAlone")),
    ),
    reference=_RAW,
    answer=_answer,
)
