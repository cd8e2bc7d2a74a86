"""What tuning tries: the package's own grids, a user's file, or values on the command line."""

from __future__ import annotations

import functools
import itertools
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from unseen.bench.methods import Setup, UnknownParameterError, method
from unseen.errors import InputError

__all__ = ["Grid", "candidates", "check_grid", "grids", "read_grids", "resolve_grids"]

Grid = dict[str, list[Any]]
"""The values to try of each parameter."""


@functools.cache
def grids() -> dict[str, Grid]:
    """The package's own grids by method, from ``grids.toml``; of each parameter the default comes first."""
    text = resources.files("unseen.bench").joinpath("grids.toml").read_text(encoding="utf-8")
    return _parsed(tomllib.loads(text), "grids.toml")


def read_grids(path: str | Path) -> dict[str, Grid]:
    """Grids by method from a user's file of the form of ``grids.toml``.

    Raises:
        InputError: If the file cannot be read or an entry is no list of values.
    """
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--grid {path}: cannot be read, {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--grid {path}: no valid TOML, {error}") from error
    return _parsed(raw, f"--grid {path}")


def _parsed(raw: Mapping[str, Any], origin: str) -> dict[str, Grid]:
    for name, entry in raw.items():
        lists = isinstance(entry, Mapping) and all(isinstance(values, list) and values for values in entry.values())
        if not (lists and entry):
            raise InputError(f"{origin}: write [{name}] and below it lines such as neighbours = [1, 10, 50]")
    return {name: {parameter: list(values) for parameter, values in entry.items()} for name, entry in raw.items()}


def candidates(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of a grid's values, the first values first.

    Example:
        >>> candidates({"neighbours": [10, 1]})
        [{'neighbours': 10}, {'neighbours': 1}]
    """
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def resolve_grids(names: Sequence[str], texts: Sequence[str], *, shipped: bool) -> dict[str, Grid]:
    """What is tried for each method, from what a user typed.

    Arguments:
        names: The methods of the run.
        texts: Files of grids, and values such as ``"neighbours=1,10,50"``, which are meant for all methods that have
            the parameter; both go before the package's own grid of a method.
        shipped: Whether the package's own grids are used for the others.

    Returns:
        The grids of those methods that have one.

    Raises:
        InputError: If a file or a value cannot be used, or nothing is left to tune.
    """
    found: dict[str, Grid] = {name: dict(grids()[name]) for name in names if shipped and name in grids()}
    spread: Grid = {}
    for text in texts:
        parameter, equals, values = text.partition("=")
        if equals and parameter.isidentifier():
            spread[parameter] = _values(text, values)
            continue
        own = read_grids(text)
        if absent := [name for name in own if name not in names]:
            raise InputError(f"--grid {text}: {absent[0]!r} is no method of this run; add it to --methods")
        found.update(own)
    if spread:
        found.update(_spread(names, spread))
    if not found:
        raise InputError(
            f"nothing to tune: of these methods none has a grid (those that do: {', '.join(grids())}); "
            "write one: --grid neighbours=1,10,50"
        )
    return found


def _values(text: str, values: str) -> list[Any]:
    try:
        found = json.loads(f"[{values}]")
    except json.JSONDecodeError:
        found = [value.strip() for value in values.split(",")]
    if not found or "" in found:
        raise InputError(f"--grid {text}: write it as name=value,value, such as neighbours=1,10,50")
    return list(found)


def _spread(names: Sequence[str], spread: Grid) -> dict[str, Grid]:
    """The parameters each method has of those that were named for all."""
    found: dict[str, Grid] = {}
    refusal: UnknownParameterError | None = None
    for name in names:
        for parameter, values in spread.items():
            try:
                method(name).make(Setup("normal", 0, (), {parameter: values[0]}))
            except UnknownParameterError as error:
                refusal = error
            else:
                found.setdefault(name, {})[parameter] = values
    unused = set(spread) - {parameter for grid in found.values() for parameter in grid}
    if unused and refusal is not None:
        raise InputError(f"--grid {min(unused)}=…: no method of this run has this parameter; {refusal}")
    return found


def check_grid(name: str, grid: Mapping[str, Sequence[Any]], parameters: Mapping[str, Any]) -> None:
    """Make a method with every combination for nothing, so that a bad value is said before hours of work.

    Arguments:
        name: The method.
        grid: Its grid.
        parameters: What is set of its parameters besides.

    Raises:
        InputError: If a parameter is set and tuned at once, or a value is refused.
    """
    if twice := sorted(set(grid) & set(parameters)):
        raise InputError(f"{name}: {twice[0]!r} is both set and tuned; leave out --set or --grid for it")
    for chosen in candidates(grid):
        made = method(name).make(Setup("normal", 0, (), {**parameters, **chosen}))
        check = getattr(made, "check_parameters", None)
        if check is not None:
            check()
