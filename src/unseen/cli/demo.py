"""`unseen demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from unseen.cli.options import Json, Quiet, names

__all__ = ["demo"]


def demo(
    hide: Annotated[str, typer.Option(help="Attack families to hide, comma-separated; every third by default.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seeds the split and the training.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train on one embedded recording with some attack families hidden, and show what is caught in another."""
    from dataclasses import asdict

    from unseen.cli import output
    from unseen.cli.evaluate import print_evaluation
    from unseen.jobs.demo import run_demo

    with output.training_progress(quiet=quiet) as progress:
        report = run_demo(hide=names(hide) or None, seed=seed, progress=progress)
    if json:
        output.print_json({**asdict(report), "evaluation": report.evaluation.model_dump()})
        return
    output.say(
        f"Real flows between our own hosts: {report.rows['training']:,} of one recording to train on,\n"
        f"{report.rows['test']:,} of another to test on. Training never saw these families:\n"
        f"{', '.join(report.hidden)}."
    )
    print_evaluation(report.evaluation)
    rows = {c.name: c.rows for c in report.evaluation.classes}
    worst = [f"{name} ({count})" for name, count in report.twins.items() if count > rows[name] / 4]
    if worst:
        output.say(f"Test flows of attacks that equal a benign flow in every feature:\n{', '.join(worst)}.")
    output.say(f"Fitted in {report.fit_seconds:.1f} s, scored in {report.score_seconds:.1f} s. Next: unseen fit --help")
