"""Evidences: each is fitted on prepared rows and gives every row scores, higher for more anomalous."""

from unseen.evidence.base import Evidence, EvidenceRows
from unseen.evidence.boosted import BoostedAll, BoostedKnown, BoostedNegatives
from unseen.evidence.forest import RandomisedForest
from unseen.evidence.isolation import Isolation
from unseen.evidence.latent import Sculpted
from unseen.evidence.mixture import MixtureDensity
from unseen.evidence.sculpted import SculptedFlow, SculptedRecipe

__all__ = [
    "EVIDENCES",
    "BoostedAll",
    "BoostedKnown",
    "BoostedNegatives",
    "Evidence",
    "EvidenceRows",
    "Isolation",
    "MixtureDensity",
    "RandomisedForest",
    "Sculpted",
    "SculptedFlow",
    "SculptedRecipe",
]

# In the order in which they are fitted and reported.
EVIDENCES: dict[str, type[Evidence]] = {
    evidence.name: evidence
    for evidence in (
        Sculpted,
        MixtureDensity,
        Isolation,
        RandomisedForest,
        BoostedKnown,
        BoostedAll,
        BoostedNegatives,
    )
}
