"""A small real benchmark with names that would break a careless report."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unseen.bench.data import user_data
from unseen.bench.protocol import protocol, user_protocol
from unseen.bench.run import run_benchmark

SCRIPT = "<script>alert(1)</script>"
DOLLARS = "$x_1$ | **bold** & `code`"
LONG = "a_family_name_without_any_space_that_no_phone_is_wide_enough_for"
OTHERS = "サービス停止\u0007"
NASTY = {"beacon": SCRIPT, "http_flood": DOLLARS, "portscan": LONG, "ssh_bruteforce": OTHERS}
NORMAL = "<b>benign</b>"
# Quick to train, and enough for a latent space.
SHORT = {"members": 1, "encoder_epochs": 1, "flow_epochs": 1}


@pytest.fixture(scope="session")
def nasty_file(small_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small table with other names for its classes."""
    table = pq.read_table(small_file)
    labels = [NASTY.get(name, NORMAL) for name in table.column("label").to_pylist()]
    path = tmp_path_factory.mktemp("nasty") / "nasty.parquet"
    pq.write_table(table.set_column(table.column_names.index("label"), "label", pa.array(labels)), path)
    return path


@pytest.fixture(scope="session")
def results(nasty_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five methods, two seeds, four groups; one method fails everywhere; a sculptor on one group."""
    folder = tmp_path_factory.mktemp("results")
    spec = user_data(nasty_file, label="label", normal=NORMAL, ignore=["window", "tool", "site", "start_s"])
    mine = user_protocol("mine")
    command = ["unseen", "bench", "run", "--data", "<nasty> & file.parquet"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent.parent))
        methods = ["random", "stump", "toy_methods:Distance", "toy_methods:Ranks", "toy_methods:Failing"]
        run_benchmark([(mine, spec)], methods, seeds=[0, 1], results=folder, command=command)
        run_benchmark(
            [(mine, spec)],
            ["sculptor-fast"],
            seeds=[0],
            results=folder,
            parameters=SHORT,
            hold_out=[LONG],
            command=command,
        )
        hidden = protocol("lab").model_copy(
            update={"name": "hidden", "dataset": spec.name, "hold_out": "classes", "classes": (SCRIPT, LONG)}
        )
        hidden = hidden.model_copy(update={"blocks": None, "known_blocks": None})
        run_benchmark([(hidden, spec)], methods[:3], seeds=[0], results=folder, command=command)
    return folder
