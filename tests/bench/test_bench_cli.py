"""`unseen bench` as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from unseen.cli.bench import app
from unseen.errors import InputError

pytestmark = pytest.mark.usefixtures("toys")
TABLE = ["--label", "label", "--normal", "benign", "--ignore", "window,tool,site,start_s"]
OWN = ["--method", "toy_methods:Distance", "--workers", "1", "--seeds", "0"]


def bench(*words: str, controls: bool = False) -> Result:
    plain = [] if controls or words[0] != "run" else ["--no-controls"]
    return CliRunner().invoke(app, [*words, *plain], catch_exceptions=False, env={"COLUMNS": "80"})


def test_the_list_names_protocols_and_methods_in_80_columns() -> None:
    shown = bench("list")
    assert shown.exit_code == 0
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80
    for name in ("cicids2017-paper", "nsl-kdd-native", "lab", "sculptor-fast", "stump"):
        assert name in shown.stdout
    listed = json.loads(bench("list", "--json").stdout)
    assert {"name", "kind", "about"} == set(listed["methods"][0])
    assert next(p for p in listed["protocols"] if p["name"] == "lab")["data_here"] is True


def test_a_users_table_from_file_to_table(small_file: Path, tmp_path: Path) -> None:
    shown = bench("run", "--data", str(small_file), *TABLE, *OWN, "--methods", "random", "--out", str(tmp_path / "r"))
    assert shown.exit_code == 0
    assert "small: a user's table, one group hidden at a time" in shown.stdout
    assert "toy_methods:Distance" in shown.stdout
    assert "8 results made" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines() if str(tmp_path) not in line) <= 80
    again = bench("run", "--data", str(small_file), *TABLE, *OWN, "--out", str(tmp_path / "r"), "--json")
    found = json.loads(again.stdout)
    assert (found["done"], found["kept"]) == (0, 4)
    (line,) = found["summaries"]
    assert line["method"] == "toy_methods:Distance"
    assert set(line["recall"]) == {"0.05"} | {rate for rate in line["recall"] if rate == "0.01"}


def test_controls_run_beside_every_method_unless_refused(small_file: Path, tmp_path: Path) -> None:
    words = ["--data", str(small_file), *TABLE, *OWN, "--hold-out", "beacon", "--json", "--out", str(tmp_path)]
    found = json.loads(bench("run", *words, "--methods", "stump", controls=True).stdout)
    ran = [line["method"] for line in found["summaries"]]
    assert sorted(ran) == ["random", "shuffled", "stump", "toy_methods:Distance", "untrained"]
    refused = json.loads(bench("run", *words).stdout)
    assert [line["method"] for line in refused["summaries"]] == ["toy_methods:Distance"]


def test_groups_hidden_classes_blocks_shots_and_parameters(small_file: Path, tmp_path: Path) -> None:
    groups = tmp_path / "groups.toml"
    groups.write_text('"portscan" = "recon"\n"ssh_bruteforce" = "recon"\n', encoding="utf-8")
    out = ["--out", str(tmp_path / "r"), "--json", "--data", str(small_file), *TABLE, *OWN]
    found = json.loads(bench("run", *out, "--groups", str(groups), "--hold-out", "recon").stdout)
    assert set(found["summaries"][0]["classes"]) == {"portscan", "ssh_bruteforce"}
    other = ["--out", str(tmp_path / "s"), "--json", "--data", str(small_file), *TABLE, *OWN]
    hidden = json.loads(bench("run", *other, "--hide", "beacon,portscan", "--shots", "4", "--set", "power=1.5").stdout)
    assert set(hidden["summaries"][0]["classes"]) == {"beacon", "portscan"}
    assert hidden["summaries"][0]["setting"] == "default-shots4"
    assert hidden["summaries"][0]["method"] == "toy_methods:Distance,power=1.5"
    timed = ["--out", str(tmp_path / "t"), "--json", "--data", str(small_file), *OWN, *TABLE[:4]]
    timed += ["--ignore", "window,tool,site", "--split-time", "start_s"]
    assert json.loads(bench("run", *timed, "--hold-out", "beacon").stdout)["done"] == 1
    stored = json.loads((tmp_path / "t" / "small" / "default" / "protocol.json").read_text(encoding="utf-8"))
    assert stored["blocks"] == {"column": "start_s", "pieces": 100}


def test_several_shots_in_one_command(small_file: Path, tmp_path: Path) -> None:
    words = ["--data", str(small_file), *TABLE, *OWN, "--methods", "stump", "--hold-out", "beacon"]
    words += ["--shots", "0,10,all", "--out", str(tmp_path)]
    shown = bench("run", *words)
    assert shown.exit_code == 0
    for said in ("Rows: default-shots0.", "Rows: default-shots10.", "Rows: default.", "6 results made", "1 failed"):
        assert said in shown.stdout
    assert "seed 0, 0 shots: stump failed" in shown.stderr
    found = json.loads(bench("run", *words, "--json").stdout)
    assert (found["done"], found["kept"]) == (0, 6)
    assert [line["setting"] for line in found["summaries"]].count("default-shots0") == 1


def test_tuning_from_the_command_line(small_file: Path, tmp_path: Path) -> None:
    words = ["--data", str(small_file), *TABLE, *OWN, "--methods", "knn,mahalanobis", "--hold-out", "beacon"]
    shown = bench("run", *words, "--tune", "--grid", "power=2,0.5", "--out", str(tmp_path))
    assert shown.exit_code == 0
    assert "toy_methods:Distance,tuned chose power = " in shown.stdout
    assert "knn,tuned chose neighbours = " in shown.stdout
    assert "not tuned, since no grid names them: mahalanobis" in shown.stderr
    grid = tmp_path / "grid.toml"
    grid.write_text("[knn]\nneighbours = [3, 4]\n", encoding="utf-8")
    shown = bench("run", *words, "--grid", str(grid), "--out", str(tmp_path / "own"))
    assert "knn,tuned chose neighbours = " in shown.stdout
    assert "not tuned, since no grid names them: mahalanobis, toy_methods:Distance" in shown.stderr


def test_a_protocol_of_the_project_with_another_split(tmp_path: Path) -> None:
    words = ["--methods", "random", "--workers", "1", "--seeds", "3", "--hold-out", "beacon", "--json"]
    plain = json.loads(bench("run", "--protocol", "lab", *words, "--out", str(tmp_path)).stdout)
    split = json.loads(bench("run", "--protocol", "lab", *words, "--split-by", "site", "--out", str(tmp_path)).stdout)
    assert [line["protocol"] for line in (*plain["summaries"], *split["summaries"])] == ["lab", "lab-by-site"]
    assert split["done"] == 1


def test_a_file_of_protocols(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[lab-mine]\nlike = "lab"\ntitle = "mine"\nfewest_rows = 300\n', encoding="utf-8")
    words = ["--protocol", str(path), "--methods", "random", "--workers", "1", "--seeds", "0", "--json"]
    found = json.loads(bench("run", *words, "--out", str(tmp_path / "r")).stdout)
    (line,) = found["summaries"]
    assert line["protocol"] == "lab-mine"
    assert 3 <= len(line["classes"]) < 15


def test_a_failure_is_noted_and_only_failures_exit_1(small_file: Path, tmp_path: Path) -> None:
    words = ["run", "--data", str(small_file), *TABLE, "--workers", "1", "--seeds", "0", "--hold-out", "beacon"]
    words += ["--out", str(tmp_path)]
    alone = bench(*words, "--method", "toy_methods:Failing")
    assert alone.exit_code == 1
    assert "RuntimeError: the toy is broken" in alone.stderr
    assert "--retry-failed" in alone.stderr
    both = bench(*words, "--method", "toy_methods:Failing", "--method", "toy_methods:Distance")
    assert both.exit_code == 0
    assert "1 results made" in both.stdout


def test_the_papers_table_stands_beside_ours(data_dir: Path, tmp_path: Path) -> None:
    words = ["--protocol", "cicids2017-paper", "--methods", "random,stump", "--seeds", "0", "--workers", "1"]
    shown = bench("run", *words, "--out", str(tmp_path)).stdout
    for said in ("arXiv 2512.22179", "P95, ours at 5 %", ".870 / .940", ".902", ".842", "supervised MLP"):
        assert said in shown
    assert "published labels only" in shown
    assert max(len(line) for line in shown.splitlines() if str(tmp_path) not in line) <= 80


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a protocol"),
        (["--protocol", "cicids2017paper"], "did you mean 'cicids2017-paper'"),
        (["--protocol", "lab", "--methods", "sculptor_fast"], "did you mean 'sculptor-fast'"),
        (["--protocol", "lab", "--method", "no_module:Class"], "cannot be imported"),
        (["--protocol", "lab", "--seeds", "4-0"], "is no seed"),
        (["--protocol", "lab", "--seeds", "a"], "is no seed"),
        (["--protocol", "lab", "--caps", "none"], "default, full"),
        (["--protocol", "lab", "--set", "epochs"], "name=value"),
        (["--protocol", "lab", "--shots", "ten"], "such as 0,10,50,500,all"),
        (["--protocol", "lab", "--methods", "stump", "--tune"], "nothing to tune"),
        (["--protocol", "lab", "--methods", "knn", "--grid", "depth=1,2"], "no method of this run has this parameter"),
        (["--protocol", "lab", "--methods", "knn", "--grid", "neighbours=0,2"], "neighbours=0 must be a whole number"),
        (["--protocol", "lab", "--label", "label"], "--label belongs to a table of your own"),
        (["--protocol", "lab", "--data", "x.parquet", "--label", "label"], "not both"),
        (["--data", "x.parquet"], "--label COLUMN"),
        (["--data", "x.parquet", "--label", "label"], "x.parquet"),
        (["--protocol", "lab", "--split-by", "site", "--split-time", "start_s"], "not both"),
        (["--protocol", "nsl-kdd-native", "--split-by", "service"], "cannot be split otherwise"),
        (["--protocol", "lab", "--methods", "random", "--hold-out", "becon"], "did you mean 'beacon'"),
        (["--protocol", "lab", "--methods", "random", "--set", "depth=1"], "no parameter 'depth'"),
    ],
)
def test_bad_input_is_told_in_a_line_or_two(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        bench("run", *words, "--out", str(tmp_path / "r"))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2
    assert caught.value.exit_code == 2


def test_absent_data_name_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("UNSEEN_DATA_DIR", raising=False)
    with pytest.raises(InputError, match="UNSEEN_DATA_DIR=FOLDER"):
        bench("run", "--protocol", "nsl-kdd", "--out", str(tmp_path / "r"))


def test_all_protocols_without_any_published_set_say_what_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("UNSEEN_DATA_DIR", raising=False)
    with pytest.raises(InputError, match="--protocol lab,lab-sessions"):
        bench("run", "--protocol", "all", "--out", str(tmp_path / "r"))
    assert not (tmp_path / "r").exists()


def test_a_results_folder_that_cannot_be_made_is_told(small_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be made"):
        bench("run", "--data", str(small_file), *TABLE, *OWN, "--out", str(tmp_path / "file" / "r"))


def test_listing_takes_no_training_library() -> None:
    import subprocess

    code = "import sys; from unseen.cli.bench import app; app(['list'], standalone_mode=False)\n"
    code += "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_table_with_conflicting_groups_is_refused(small_file: Path, tmp_path: Path) -> None:
    table = pq.read_table(small_file)
    table = table.append_column("family", pa.array([f"g{j % 2}" for j in range(table.num_rows)]))
    pq.write_table(table, tmp_path / "two.parquet")
    with pytest.raises(InputError, match="must belong to one"):
        bench(
            "run", "--data", str(tmp_path / "two.parquet"), *TABLE, *OWN, "--groups", "family", "--out", str(tmp_path)
        )
