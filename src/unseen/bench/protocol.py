"""What a protocol is: which rows are held out, how the others are split, and what is reported. All of it is data."""

from __future__ import annotations

import functools
import hashlib
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unseen.errors import InputError
from unseen.schema import nearest

__all__ = [
    "CAPS",
    "Blocks",
    "Caps",
    "Native",
    "Protocol",
    "Published",
    "PublishedRow",
    "RowsWhere",
    "Setting",
    "protocol",
    "protocols",
    "read_protocols",
    "user_protocol",
]


class _Fixed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RowsWhere(_Fixed):
    """The rows whose value in a column is one of ``values``; with ``groups``, only those of these family groups."""

    column: str
    values: tuple[str, ...]
    groups: tuple[str, ...] = ()


class Blocks(_Fixed):
    """Rows that stay in one part: those of equal value, or, with ``pieces``, those of one piece of consecutive time."""

    column: str
    pieces: int | None = Field(default=None, ge=4)


class Native(_Fixed):
    """The data set's own parts: ``column`` holds ``train`` or ``test``."""

    column: str
    train: str
    test: str


class PublishedRow(_Fixed):
    """One published method; ``rate`` is the share of normals its threshold was meant to flag, where there is one."""

    name: str
    unseen_f1: float
    known_f1: float
    rate: float | None = None


class Published(_Fixed):
    """Figures of a paper, to be printed beside ours; ``recall`` is per class, at the rate ``recall_at``."""

    source: str
    caveat: str
    auroc: float
    auprc: float
    recall: dict[str, float]
    recall_at: float
    rows: tuple[PublishedRow, ...]


class Protocol(_Fixed):
    """How rows are split for an experiment.

    Attributes:
        name: The name users type.
        title: What it asks, in words.
        dataset: The data set's name in the catalog, or a user's table.
        hold_out: ``"groups"``, ``"classes"`` or ``"native"``; see ``protocols.toml``.
        classes: The classes held out together, for ``"classes"``.
        native: The set's own parts, for ``"native"``; with ``"groups"``, a group is hidden from the training part and
            judged on the test part.
        never_train: Anomalies that are used only where their class is held out.
        strict: The held-out rows of a second, stricter figure.
        blocks: Rows that stay in one part; the data set's ``split_by`` by default.
        known_blocks: The same for known anomalies where it differs.
        fewest_rows: Groups with fewer rows are not held out.
        fewest_for_mean: Groups or classes with fewer rows do not count in means.
        rates: False-alarm rates to report at.
        class_weights: Weights of the held-out classes in the balanced F1; their numbers of rows by default.
        published: A paper's figures for this protocol.
        in_all: Whether ``all`` names it too; recordings of our own do not count among published sets.
    """

    name: str
    title: str
    dataset: str
    hold_out: Literal["groups", "classes", "native"]
    classes: tuple[str, ...] = ()
    native: Native | None = None
    never_train: RowsWhere | None = None
    strict: RowsWhere | None = None
    blocks: Blocks | None = None
    known_blocks: Blocks | None = None
    fewest_rows: int = Field(default=9, ge=1)
    fewest_for_mean: int = Field(default=30, ge=1)
    rates: tuple[float, ...] = (0.05, 0.01, 0.001)
    class_weights: dict[str, int] | None = None
    published: Published | None = None
    in_all: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.hold_out == "classes") != bool(self.classes):
            raise ValueError("classes are named exactly where hold_out is 'classes'")
        if self.native is None and self.hold_out == "native":
            raise ValueError("native must be given where hold_out is 'native'")
        if self.native is not None and self.hold_out == "classes":
            raise ValueError("native is not given where hold_out is 'classes'")
        if self.class_weights is not None and set(self.class_weights) != set(self.classes):
            raise ValueError("class_weights must name the held-out classes")
        return self

    @property
    def digest(self) -> str:
        """A digest of everything that changes a result; words, published figures and lists do not."""
        said = self.model_dump(mode="json", exclude={"title", "published", "in_all"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


class Caps(_Fixed):
    """The most rows that are used; ``None`` uses all.

    Attributes:
        normal_train: Normals for fitting, validation and calibration together.
        normal_test: Normals of the test.
        known_train: Known anomalies trained on, shared fairly among their classes. Held-out rows are never capped.
    """

    normal_train: int | None = Field(default=None, ge=1)
    normal_test: int | None = Field(default=None, ge=1)
    known_train: int | None = Field(default=None, ge=1)


# 10,000 normals to fit on and 4,000 to validate and calibrate on; a detector divides the 14,000 itself.
CAPS = {"default": Caps(normal_train=14_000, normal_test=6_000, known_train=5_000), "full": Caps()}


class Setting(_Fixed):
    """How much of the data a run uses.

    Attributes:
        caps: A name in ``CAPS``.
        shots: Rows of each known class that are trained on; ``None`` is all.
    """

    caps: Literal["default", "full"] = "default"
    shots: int | None = Field(default=None, ge=0)

    @property
    def name(self) -> str:
        """The folder of its results."""
        return self.caps if self.shots is None else f"{self.caps}-shots{self.shots}"


@functools.cache
def protocols() -> dict[str, Protocol]:
    """All protocols by name, in the order of ``protocols.toml``."""
    text = resources.files("unseen.bench").joinpath("protocols.toml").read_text(encoding="utf-8")
    return _parsed(tomllib.loads(text), "protocols.toml", {})


def read_protocols(path: str | Path) -> dict[str, Protocol]:
    """Protocols from a user's file of the form of ``protocols.toml``; ``like`` may name one of the project's.

    Raises:
        InputError: If the file cannot be read or an entry is no protocol.
    """
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read, {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no valid TOML, {error}") from error
    taken = [name for name in raw if name in protocols()]
    if taken:
        raise InputError(f"{path}: {taken[0]!r} is a protocol of this project; choose another name")
    bases = {name: known.model_dump(exclude_unset=True) for name, known in protocols().items()}
    return _parsed(raw, str(path), bases)


def _parsed(raw: Mapping[str, Any], origin: str, bases: Mapping[str, Any]) -> dict[str, Protocol]:
    made = {}
    for name, entry in raw.items():
        fields: dict[str, Any] = dict(entry) if isinstance(entry, Mapping) else {"title": None}
        base: dict[str, Any] = {}
        if "like" in fields:
            like = str(fields.pop("like"))
            base = dict({**bases, **raw}.get(like, {}))
            if not base:
                raise InputError(f"{origin}: protocol {name!r} is like {like!r}, which does not exist")
        for key in ["name", *fields.pop("without", [])]:
            base.pop(key, None)
        try:
            made[name] = Protocol(name=name, **{**base, **fields})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{origin}: protocol {name!r}, {where or 'as a whole'}: {first['msg']}") from error
    return made


def protocol(name: str) -> Protocol:
    """One protocol.

    Raises:
        InputError: If there is none of this name; with the near match.

    Example:
        >>> protocol("nsl-kdd").dataset
        'nsl_kdd'
    """
    known = protocols()
    if name in known:
        return known[name]
    near = nearest(name, known)
    raise InputError(
        f"there is no protocol {name!r}; "
        + (f"did you mean {near!r}?" if near else f"choose one of {', '.join(known)}")
    )


def user_protocol(
    name: str, *, classes: tuple[str, ...] = (), blocks: Blocks | None = None, fewest_rows: int = 9
) -> Protocol:
    """A protocol for a user's own table.

    Arguments:
        name: A name for the results' folder.
        classes: Classes to hold out together; without them one group is held out at a time.
        blocks: Rows that stay in one part.
        fewest_rows: Groups with fewer rows are not held out.
    """
    return Protocol(
        name=name,
        title=f"{name}: a user's table, " + ("the named classes hidden" if classes else "one group hidden at a time"),
        dataset=name,
        hold_out="classes" if classes else "groups",
        classes=classes,
        blocks=blocks,
        fewest_rows=fewest_rows,
    )
