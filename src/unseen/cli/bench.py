"""`unseen bench`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unseen.cli import bench_experiment, bench_report
from unseen.cli.options import Json, Quiet, names

if TYPE_CHECKING:
    from unseen.bench.data import DataSpec
    from unseen.bench.grids import Grid
    from unseen.bench.protocol import Blocks, Protocol, Setting

__all__ = ["app"]

app = typer.Typer(help="Compare methods on protocols: who catches classes nobody was shown.", no_args_is_help=True)
app.command("report")(bench_report.report)
app.command("experiment")(bench_experiment.experiment)

_DEFAULT_METHODS = "unseen"
_TIME_BLOCKS = 100


@app.command("list")
def list_(json: Json = False) -> None:
    """List the protocols and the methods."""
    from unseen.bench.methods import methods
    from unseen.bench.protocol import protocols
    from unseen.cli import output
    from unseen.sources.catalog import listing

    here = {known.name: known.path is not None for known in listing()}
    if json:
        output.print_json(
            {
                "protocols": [
                    {**p.model_dump(mode="json"), "data_here": here[p.dataset]} for p in protocols().values()
                ],
                "methods": [{"name": m.name, "kind": m.kind, "about": m.about} for m in methods().values()],
            }
        )
        return
    shown = output.table("protocol", "data", "what it asks")
    shown.columns[1].justify = shown.columns[2].justify = "left"
    for protocol in protocols().values():
        shown.add_row(protocol.name, "here" if here[protocol.dataset] else "absent", protocol.title)
    output.print_table(shown)
    shown = output.table("method", "kind", "what it is")
    shown.columns[1].justify = shown.columns[2].justify = "left"
    for method in methods().values():
        shown.add_row(method.name, method.kind, method.about)
    output.print_table(shown)
    output.say("Your own: --data FILE --label COLUMN for a table, --method module:Class for a\nmethod.")


_Protocol = Annotated[
    str, typer.Option(help="Protocols, comma-separated; all: the published sets that are here; or a .toml of your own.")
]
_Methods = Annotated[str, typer.Option(help=f"Methods, comma-separated, or all; {_DEFAULT_METHODS} by default.")]
_Method = Annotated[
    list[str] | None, typer.Option(help="Your own class with fit and anomaly_score: module:Class. Repeatable.")
]
_Controls = Annotated[
    bool, typer.Option("--controls/--no-controls", help="Run beside them what must lose: random, shuffled, ...")
]
_Seeds = Annotated[str, typer.Option(help="Seeds, such as 0-4 or 0,2,7.")]
_Out = Annotated[Path, typer.Option("--out", help="The folder of results; a run into the same goes on.")]
_Workers = Annotated[int, typer.Option(min=1, help="Processes to share the work among.")]
_HoldOut = Annotated[str, typer.Option(help="Hold out only these groups, comma-separated.")]
_Caps = Annotated[str, typer.Option(help="Rows used: default (14,000 normals to train on) or full.")]
_Shots = Annotated[
    str, typer.Option(help="Rows of each known class to train on, one run for each: such as 0,10,50,500,all.")
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A constructor argument, name=value, for the methods that have it. Repeatable."),
]
_Tune = Annotated[
    bool,
    typer.Option("--tune", help="Choose parameters in each cell by leaving out one seen group at a time."),
]
_Grid = Annotated[
    list[str] | None,
    typer.Option(help="Values to try instead: name=value,value, or a .toml of [method] tables. Repeatable."),
]
_Retry = Annotated[bool, typer.Option("--retry-failed", help="Run failed methods again.")]
_SplitBy = Annotated[
    str | None, typer.Option(help="A column (day, host, recording) whose equal values stay in one part.")
]
_SplitTime = Annotated[
    str | None, typer.Option(help="A column of times; each of 100 consecutive blocks stays in one part.")
]
_Data = Annotated[str | None, typer.Option(help="Your own table instead of a protocol: a file, folder or glob.")]
_Label = Annotated[str | None, typer.Option(help="Its label column.")]
_Normal = Annotated[str | None, typer.Option(help="Its label of normal rows.")]
_Groups = Annotated[
    str | None, typer.Option(help='Its family groups: a column, or a .toml file of lines "class" = "group".')
]
_Hide = Annotated[str, typer.Option(help="Classes to hold out together, instead of one group at a time.")]
_Ignore = Annotated[str, typer.Option(help="Its metadata columns, comma-separated; they are no features.")]
_Categorical = Annotated[str, typer.Option(help="Its columns of numbers that are names, comma-separated.")]


@app.command()
def run(
    protocol: _Protocol = "",
    methods: _Methods = "",
    method: _Method = None,
    controls: _Controls = True,
    seeds: _Seeds = "0-4",
    out: _Out = Path("results"),
    workers: _Workers = 2,
    hold_out: _HoldOut = "",
    caps: _Caps = "default",
    shots: _Shots = "all",
    set_: _Set = None,
    tune: _Tune = False,
    grid: _Grid = None,
    retry_failed: _Retry = False,
    split_by: _SplitBy = None,
    split_time: _SplitTime = None,
    data: _Data = None,
    label: _Label = None,
    normal: _Normal = None,
    groups: _Groups = None,
    hide: _Hide = "",
    ignore: _Ignore = "",
    categorical: _Categorical = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run methods on protocols, and print what each caught of the classes it was never shown.

    Every finished cell is kept, so the same command goes on where an earlier run was stopped.
    """
    from unseen.bench.run import run_benchmark
    from unseen.cli.bench_tables import print_report

    blocks = _blocks(split_by, split_time)
    own = {"label": label, "normal": normal, "groups": groups, "ignore": ignore, "categorical": categorical}
    if data is None:
        chosen = _chosen_protocols(protocol, blocks, {**own, "hide": hide}, quiet=quiet)
    else:
        chosen = [_own_table(data, own, names(hide), blocks, protocol)]
    running = _chosen_methods(methods, method or [], controls=controls)
    with _progress(quiet=quiet) as progress:
        report = run_benchmark(
            chosen,
            running,
            seeds=_seeds(seeds),
            results=out,
            setting=_settings(caps, shots),
            parameters=_parameters(set_ or []),
            tune=_tuned(running, grid or [], tune=tune, quiet=quiet),
            hold_out=names(hold_out),
            workers=workers,
            retry_failed=retry_failed,
            command=["unseen", *sys.argv[1:]],
            progress=progress,
        )
    print_report(report, [shown for shown, _ in chosen], json=json, quiet=quiet)
    if len(report.failed) == len(report.cells):
        raise typer.Exit(1)


def _chosen_protocols(
    text: str, blocks: Blocks | None, own: dict[str, str | None], *, quiet: bool
) -> list[tuple[Protocol, DataSpec]]:
    from unseen.bench.data import catalog_data
    from unseen.bench.protocol import protocol, protocols, read_protocols
    from unseen.cli import output
    from unseen.errors import InputError
    from unseen.sources.catalog import listing

    for name, value in own.items():
        if value:
            raise InputError(f"--{name} belongs to a table of your own: give --data FILE too")
    if not text:
        raise InputError(
            "name a protocol, such as --protocol cicids2017-paper (see: unseen bench list), or your --data"
        )
    if text == "all":
        here = {known.name for known in listing() if known.path is not None}
        common = [p for p in protocols().values() if p.in_all]
        chosen = [p for p in common if p.dataset in here]
        absent = [p.name for p in common if p.dataset not in here]
        if not chosen:
            raise InputError(
                "none of the published sets is here: unseen data list says how to get them; "
                "--protocol lab,lab-sessions runs on the recordings that come with the package"
            )
        if absent:
            output.notes([f"left out, since their data are not here: {', '.join(absent)}"], quiet=quiet)
    elif text.endswith(".toml"):
        chosen = list(read_protocols(text).values())
    else:
        chosen = [protocol(name) for name in dict.fromkeys(names(text))]
    if blocks is not None:
        # Another split is another protocol, with results of its own.
        by = f"time-{blocks.column}" if blocks.pieces else blocks.column
        changed = {"blocks": blocks, "known_blocks": None}
        chosen = [p.model_copy(update={"name": f"{p.name}-by-{by}", **changed}) for p in chosen if p.native is None]
        if not chosen:
            raise InputError("this protocol's parts are the data set's own and cannot be split otherwise")
    return [(p, catalog_data(p.dataset)) for p in chosen]


def _own_table(
    data: str, own: dict[str, str | None], hide: tuple[str, ...], blocks: Blocks | None, protocol: str
) -> tuple[Protocol, DataSpec]:
    from unseen.bench.data import user_data
    from unseen.bench.protocol import user_protocol
    from unseen.errors import InputError

    if protocol:
        raise InputError("name either --protocol, which brings its data, or --data with --label; not both")
    label = own["label"]
    if label is None:
        raise InputError("--data needs the label column: --label COLUMN")
    spec = user_data(
        data,
        label=label,
        normal=own["normal"],
        groups=own["groups"],
        ignore=names(own["ignore"] or ""),
        categorical=names(own["categorical"] or ""),
        split_by=None if blocks is None else blocks.column,
    )
    return user_protocol(spec.name, classes=hide, blocks=blocks), spec


def _chosen_methods(text: str, own: list[str], *, controls: bool) -> list[str]:
    """The methods asked for, once each, and after them the controls."""
    from unseen.bench.methods import methods

    common = [m for m in methods().values() if m.in_all]
    if text == "all":
        asked = [*(m.name for m in common if m.kind != "control"), *own]
    else:
        asked = [*(names(text) or (() if own else (_DEFAULT_METHODS,))), *own]
    return list(dict.fromkeys([*asked, *(m.name for m in common if controls and m.kind == "control")]))


def _blocks(split_by: str | None, split_time: str | None) -> Blocks | None:
    from unseen.bench.protocol import Blocks
    from unseen.errors import InputError

    if split_by is not None and split_time is not None:
        raise InputError("rows stay together by one column: give --split-by or --split-time, not both")
    if split_time is not None:
        return Blocks(column=split_time, pieces=_TIME_BLOCKS)
    return None if split_by is None else Blocks(column=split_by)


def _settings(caps: str, shots: str) -> list[Setting]:
    from unseen.bench.protocol import CAPS, Setting
    from unseen.errors import InputError

    if caps not in CAPS:
        raise InputError(f"--caps {caps}: choose one of {', '.join(CAPS)}")
    wanted = names(shots)
    wrong = [part for part in wanted if part != "all" and not part.isdecimal()]
    if wrong or not wanted:
        raise InputError(f"--shots {shots}: write numbers of rows, or all, such as 0,10,50,500,all")
    counts = [None if part == "all" else int(part) for part in wanted]
    return [Setting.model_validate({"caps": caps, "shots": count}) for count in dict.fromkeys(counts)]


def _tuned(running: list[str], grid: list[str], *, tune: bool, quiet: bool) -> dict[str, Grid]:
    """The grids of the methods to tune; says which methods run with their own settings."""
    from unseen.bench.grids import resolve_grids
    from unseen.bench.methods import method
    from unseen.cli import output

    if not (tune or grid):
        return {}
    found = resolve_grids(running, grid, shipped=tune)
    plain = [name for name in running if name not in found and method(name).kind != "control"]
    if plain:
        output.notes([f"not tuned, since no grid names them: {', '.join(plain)}"], quiet=quiet)
    return found


def _seeds(text: str) -> list[int]:
    from unseen.errors import InputError

    seeds: list[int] = []
    for part in names(text):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise InputError(f"--seeds {text}: {part!r} is no seed; write 0-4, or 0,2,7")
        seeds += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(seeds))


def _parameters(settings: list[str]) -> dict[str, Any]:
    import json

    from unseen.errors import InputError

    parameters: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--set {text}: write it as name=value, such as encoder_epochs=3")
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Any]:
    """A bar over results with the remaining time; yields the callback, or ``None`` without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(done: int, total: int, result: Any) -> None:
            last = "" if result is None else f"{result.label}: {result.key.name}"
            bar.update(task, completed=done, total=total, description=last)

        yield show
