"""What an experiment is: a question, protocols, and variants that differ in one thing. All of it is data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from unseen.bench.experiments.halves import HALVES
from unseen.bench.protocol import Protocol, protocol

if TYPE_CHECKING:
    from unseen.bench.experiments.outcome import Outcome
    from unseen.bench.experiments.page import Part

__all__ = ["UNSW_FIVE", "Experiment", "OpenExperiment", "Variant", "protocol_named", "sculptor"]

# Nine fits a seed, one for each class, are more than an experiment of a few minutes can spend on one data set.
UNSW_FIVE = Protocol(
    name="unsw-nb15-five",
    title="UNSW-NB15, testing partition: five attack classes hidden together, judged class by class",
    dataset="unsw_nb15",
    hold_out="classes",
    classes=("Analysis", "Backdoor", "Fuzzers", "Shellcode", "Worms"),
)


@dataclass(frozen=True)
class Variant:
    """One thing an experiment compares.

    Attributes:
        name: What tables call it.
        about: One sentence without a full stop: what it is.
        method: The benchmark's name of it, a registered one or ``module:Class``.
        parameters: Constructor arguments.
        shots: Rows of each known class to train on; ``None`` is all.
        slow: Run only where the user asks for slow ones.
    """

    name: str
    about: str
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    shots: int | None = None
    slow: bool = False


@dataclass(frozen=True)
class Experiment:
    """A named, runnable experiment.

    Attributes:
        name: The name users type.
        title: The page's title.
        question: What it asks.
        design: How it asks: sentences on what is held equal and what is changed against a paper.
        protocols: The protocols, by name.
        variants: What is compared.
        reference: The variant that the others are set against.
        answer: The answer in sentences, made from the figures.
        extras: Further tables, made from the figures.
        seeds: By default.
    """

    name: str
    title: str
    question: str
    design: tuple[str, ...]
    protocols: tuple[str, ...]
    variants: tuple[Variant, ...]
    reference: str
    answer: Callable[[Outcome], list[str]]
    extras: Callable[[Outcome], list[Part]] = lambda _: []
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names) or self.reference not in names:
            raise ValueError(f"{self.name}: variants need different names, and the reference must be one of them")

    def chosen(self, *, slow: bool) -> tuple[Variant, ...]:
        """The variants to run."""
        return tuple(variant for variant in self.variants if slow or not variant.slow)


@dataclass(frozen=True)
class OpenExperiment:
    """A question that has no experiment yet, and why."""

    name: str
    question: str
    why: str


def protocol_named(name: str) -> Protocol:
    """A protocol of the benchmark, or one that only experiments use.

    Raises:
        InputError: If there is none; with the near match.
    """
    own = {UNSW_FIVE.name: UNSW_FIVE, **HALVES}
    return own[name] if name in own else protocol(name)


def sculptor(name: str) -> str:
    """The benchmark's name of a class in :mod:`unseen.bench.experiments.sculptors`.

    Example:
        >>> sculptor("LatentFlow")
        'unseen.bench.experiments.sculptors:LatentFlow'
    """
    return f"unseen.bench.experiments.sculptors:{name}"
