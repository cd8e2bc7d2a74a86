"""The methods a benchmark compares, by name. To add one, register a function that makes it unfitted."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from unseen.baselines import BASELINES, Entry
from unseen.errors import InputError
from unseen.nn.meta.presets import CONTROLS as META_CONTROLS
from unseen.schema import nearest

__all__ = [
    "Method",
    "Setup",
    "UnknownParameterError",
    "accepted_parameters",
    "detector_method",
    "method",
    "methods",
    "plain_method",
    "register",
]

_SHUFFLED = "shuffled:"
_UNTRAINED = "untrained:"


class UnknownParameterError(InputError):
    """A method was given a parameter it does not have; ``parameter`` is its name."""

    def __init__(self, message: str, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True)
class Setup:
    """What a method is made for.

    Attributes:
        normal: The label of normal rows.
        seed: For everything random in it.
        categorical: Columns of numbers that are names.
        parameters: Further constructor arguments, as the user set them.
    """

    normal: str
    seed: int
    categorical: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A method by name.

    Attributes:
        name: The name users type, and the folder of its results.
        about: One line.
        make: Makes an unfitted object with ``fit(X, y, blocks=...)``, ``anomaly_score(X)`` and, once fitted,
            ``calibrator_``: any :class:`unseen.Detector`.
        kind: ``"detector"`` of this project, ``"peer"`` to compare with, or ``"control"``.
        in_all: Whether ``--methods all`` means it too; slow ones are asked for by name.
        untrained: Makes its twin with the weights it starts from, where there are any to train.
    """

    name: str
    about: str
    make: Callable[[Setup], Any]
    kind: Literal["detector", "peer", "control"] = "peer"
    in_all: bool = True
    untrained: Callable[[Setup], Any] | None = None


_METHODS: dict[str, Method] = {}


def register(method: Method) -> Method:
    """Add a method to those that ``--methods`` knows.

    Raises:
        InputError: If the name is taken.
    """
    if method.name in _METHODS or method.name.startswith((_SHUFFLED, _UNTRAINED)):
        raise InputError(f"there is a method {method.name!r} already; choose another name")
    _METHODS[method.name] = method
    return method


def methods() -> dict[str, Method]:
    """All registered methods by name."""
    return dict(_METHODS)


def method(name: str) -> Method:
    """A method by its name: a registered one, its control, or a user's ``module:Class``.

    The controls of any method are ``shuffled:NAME`` and, for networks, ``untrained:NAME``.

    Raises:
        InputError: If there is none; with the near match.
    """
    if name in _METHODS:
        return _METHODS[name]
    if name.startswith(_SHUFFLED):
        inner = method(name.removeprefix(_SHUFFLED))
        return Method(name, f"{inner.name} fitted on shuffled labels", _shuffled(inner), "control")
    if name.startswith(_UNTRAINED):
        inner = method(name.removeprefix(_UNTRAINED))
        if inner.untrained is None:
            raise InputError(f"{inner.name} has no untrained twin; {_with_twin()}")
        return Method(name, f"{inner.name} with the weights it starts from", inner.untrained, "control")
    if ":" in name:
        return _user_method(name)
    near = nearest(name, _METHODS)
    hint = f"did you mean {near!r}?" if near else f"choose of {', '.join(_METHODS)}, or name your own: module:Class"
    raise InputError(f"there is no method {name!r}; {hint}")


def accepted_parameters(names: Sequence[str], parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Which of the user's parameters each method takes, found by making it.

    Arguments:
        names: Names of methods.
        parameters: Constructor arguments meant for those that have them.

    Raises:
        InputError: If a parameter is one of no method, or a method cannot be made with its own.
    """
    taken: dict[str, dict[str, Any]] = {}
    refused: dict[str, UnknownParameterError] = {}
    for name in names:
        taken[name] = dict(parameters)
        made = False
        while not made:
            try:
                method(name).make(Setup("normal", 0, (), dict(taken[name])))
                made = True
            except UnknownParameterError as error:
                del taken[name][error.parameter]
                refused[error.parameter] = error
    for parameter, refusal in refused.items():
        if not any(parameter in accepted for accepted in taken.values()):
            raise refusal
    return taken


def detector_method(name: str, **fixed: Any) -> Callable[[Setup], Any]:
    """Makes a detector by its short name, with these constructor arguments fixed."""

    def make(setup: Setup) -> Any:
        from unseen.detectors import DETECTORS, create

        clash = sorted(set(fixed) & set(setup.parameters))
        if clash:
            message = f"{clash[0]!r} is what this method is named for and cannot be set"
            raise UnknownParameterError(message, clash[0])
        _refuse_unknown(DETECTORS[name], setup.parameters)
        common: dict[str, Any] = {"normal": setup.normal, "categorical": setup.categorical, "random_state": setup.seed}
        return create(name, **{**common, **fixed, **setup.parameters})

    return make


def plain_method(cls: type[Any]) -> Callable[[Setup], Any]:
    """Makes a class with ``fit(X, y)`` and ``anomaly_score(X)`` on prepared rows into a detector.

    Its constructor is given ``normal``, ``categorical`` and ``random_state`` where it takes them.
    """

    def make(setup: Setup) -> Any:
        from unseen.bench.adapter import AdaptedMethod

        common: dict[str, Any] = {"normal": setup.normal, "categorical": setup.categorical, "random_state": setup.seed}
        return AdaptedMethod(_construct(cls, common, setup.parameters), **common)

    return make


def _construct(cls: type[Any], common: dict[str, Any], parameters: dict[str, Any]) -> Any:
    _refuse_unknown(cls, parameters)
    taken = inspect.signature(cls).parameters
    given = {name: value for name, value in common.items() if name in taken}
    try:
        return cls(**given, **parameters)
    except TypeError as error:
        raise InputError(f"{cls.__name__} cannot be made: {error}; set what it needs: --set name=value") from error


def _refuse_unknown(cls: type[Any], parameters: dict[str, Any]) -> None:
    taken = inspect.signature(cls).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    for name in sorted(set(parameters) - set(taken)):
        has = f"it has {', '.join(taken)}" if taken else "it has none"
        raise UnknownParameterError(f"{cls.__name__} has no parameter {name!r}; {has}", name)


def _shuffled(inner: Method) -> Callable[[Setup], Any]:
    def make(setup: Setup) -> Any:
        from unseen.bench.controls import ShuffledLabels

        return ShuffledLabels(inner.make(setup), random_state=setup.seed)

    return make


def _with_twin() -> str:
    return f"those with one are {', '.join(name for name, known in _METHODS.items() if known.untrained)}"


def _untrained_sculptor(preset: str) -> Callable[[Setup], Any]:
    def make(setup: Setup) -> Any:
        from unseen.detectors.recipes import RECIPES, untrained

        return detector_method("sculptor", preset=untrained(RECIPES[preset]))(setup)

    return make


def _user_method(name: str) -> Method:
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        # A console script does not search the working folder, where a user's module lies.
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"--method {name}: the module {module_name!r} cannot be imported ({error})") from error
    try:
        cls = getattr(found, attribute)
    except AttributeError:
        near = nearest(attribute, [entry for entry in vars(found) if not entry.startswith("_")])
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"--method {name}: the module has no {attribute!r}{hint}") from None
    if not isinstance(cls, type):
        raise InputError(f"--method {name}: {attribute!r} is no class")
    for wanted in ("fit", "anomaly_score"):
        if not callable(getattr(cls, wanted, None)):
            raise InputError(f"--method {name}: no method {wanted!r}; it needs both fit(X, y) and anomaly_score(X)")
    return Method(name, f"a user's class {attribute}", _user_factory(cls))


def _user_factory(cls: type[Any]) -> Callable[[Setup], Any]:
    def make(setup: Setup) -> Any:
        from unseen.detectors import Detector

        if not issubclass(cls, Detector):
            return plain_method(cls)(setup)
        common: dict[str, Any] = {"normal": setup.normal, "categorical": setup.categorical, "random_state": setup.seed}
        return _construct(cls, common, setup.parameters)

    return make


def _baseline(entry: Entry) -> Callable[[Setup], Any]:
    def make(setup: Setup) -> Any:
        common: dict[str, Any] = {"normal": setup.normal, "categorical": setup.categorical, "random_state": setup.seed}
        return _construct(entry.load(), common, setup.parameters)

    return make


def _control(name: str) -> Callable[[Setup], Any]:
    def make(setup: Setup) -> Any:
        from unseen.bench import controls

        return plain_method(getattr(controls, name))(setup)

    return make


for _entry in (
    Method("unseen", "UnseenDetector, several evidences fused", detector_method("unseen"), "detector"),
    Method(
        "sculptor-fast",
        "LatentSculptor, small networks, three seeds fused",
        detector_method("sculptor", preset="fast"),
        "detector",
        untrained=_untrained_sculptor("fast"),
    ),
    Method(
        "sculptor-paper",
        "LatentSculptor as published: large networks, slow, not in all",
        detector_method("sculptor", preset="paper"),
        "detector",
        in_all=False,
        untrained=_untrained_sculptor("paper"),
    ),
    Method(
        "meta",
        "MetaLearner, 50 shots a family",
        detector_method("meta", preset="fast"),
        "detector",
        in_all=False,
        untrained=detector_method("meta", preset="untrained"),
    ),
    *(
        Method(f"meta-{name}", f"MetaLearner: {about}", detector_method("meta", preset=name), "control", in_all=False)
        for name, (about, _) in META_CONTROLS.items()
    ),
    *(Method(name, entry.about, _baseline(entry), in_all=entry.in_all) for name, entry in BASELINES.items()),
    Method("random", "a score without meaning", _control("RandomScore"), "control"),
    Method("stump", "the best single feature", _control("Stump"), "control"),
):
    register(_entry)
for _entry in (
    Method(
        "shuffled",
        "sculptor-fast, one network, fitted on shuffled labels; shuffled:NAME for another",
        # One network says whether labels matter; three would cost a third of a whole run.
        _shuffled(Method("", "", detector_method("sculptor", preset="fast", members=1))),
        "control",
    ),
    Method(
        "untrained",
        "sculptor-fast with the weights it starts from; untrained:NAME for another",
        _untrained_sculptor("fast"),
        "control",
    ),
):
    register(_entry)
