"""The command line: quick to start, plain about mistakes, and a step's options are its function's parameters."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from rescore import cli
from rescore.engine import steps
from rescore.engine.errors import RescoreError


def rescore(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "rescore", *arguments], text=True, capture_output=True, env=os.environ | environment
    )


def example_step(
    output: Path, names: list[str], settings: dict, limit: int | None = None, plot: Path | None = None
) -> None:
    """An example of what steps look like."""


def test_a_steps_options_are_its_functions_parameters():
    words = ["--output", "a/b.csv", "--names", "x", "y", "--settings", '{"seed": 3}', "--limit", "4"]
    values = vars(steps.step_parser(example_step, "example").parse_args(words))
    assert values == {"output": Path("a/b.csv"), "names": ["x", "y"], "settings": {"seed": 3}, "limit": 4, "plot": None}


@dataclasses.dataclass(frozen=True)
class Inputs:
    tables: Sequence[Path] = ()
    audit: Path | None = None


TAKEN = []


def step_of_files(inputs: Inputs, output: Path) -> None:
    """A step that takes its inputs as one."""
    TAKEN.append((inputs, output))


def test_a_dataclass_among_a_steps_parameters_stands_for_its_fields(capsys):
    parser = steps.step_parser(step_of_files, "example")
    for words, taken in {
        "--output o": Inputs(),
        "--output o --tables a b --audit c": Inputs([Path("a"), Path("b")], Path("c")),
        "--output o --tables": Inputs([]),
    }.items():
        steps.call_step(step_of_files, **vars(parser.parse_args(words.split())))
        assert TAKEN.pop() == (taken, Path("o"))
    with pytest.raises(SystemExit):
        parser.parse_args(["--output", "o", "--inputs", "a"])
    assert "--inputs" in capsys.readouterr().err


def test_a_missing_step_option_is_refused(capsys):
    with pytest.raises(SystemExit):
        steps.step_parser(example_step, "example").parse_args(["--output", "a.csv"])
    assert "--names" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nothing.here", "storage.nothing", "plain"])
def test_an_unknown_step_is_one_error(name):
    with pytest.raises(RescoreError, match="no such step"):
        cli.run_step(cli.build_parser().parse_args(["step", name]))


def test_help_is_quick_because_it_loads_no_framework():
    script = "import sys; from rescore import cli; cli.build_parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True).stdout.split()
    assert "rescore.cli" in loaded
    assert not {"torch", "pandas", "sklearn", "cv2"} & set(loaded)


def test_help_names_the_commands():
    done = rescore("--help")
    assert done.returncode == 0
    for command in ("plan", "fetch", "check", "score", "step"):
        assert command in done.stdout


def test_a_users_mistake_has_no_traceback_unless_asked_for():
    plain = rescore("score", "missing.avi", "--scale", "smoke", "--no-plot")
    assert plain.returncode == 1
    assert plain.stderr.startswith("rescore: ")
    assert "Traceback" not in plain.stderr
    assert "Traceback" in rescore("-v", "score", "missing.avi", "--scale", "smoke", "--no-plot").stderr


def test_plan_says_what_is_missing_and_how_to_get_it():
    done = rescore("plan", "--scale", "paper", RESCORE_MIRROR="")
    assert done.returncode == 0, done.stderr
    assert "fine_tuning" in done.stdout
    assert "data/raw/aqa7/videos" in done.stdout


def test_an_interrupt_is_not_a_crash(monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "plan", dataclasses.replace(cli.COMMANDS["plan"], run=interrupted))
    assert cli.main(["plan"]) == 130
    assert "run again to go on" in capsys.readouterr().err


def test_a_picture_that_cannot_be_drawn_leaves_the_points(capsys, tmp_path):
    def refuse():
        raise ValueError("no such font")

    cli.draw(refuse, tmp_path / "x.png")
    said = capsys.readouterr()
    assert said.err == "not drawn: no such font\n"
    cli.draw(lambda: None, tmp_path / "x.png")
    assert capsys.readouterr().out == f"drawn in {tmp_path}/x.png\n"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_lead_nowhere(closed):
    """Without them the next file that is opened would get what is printed."""
    script = (
        "import os, sys; from rescore import cli\n"
        f"for number in {closed}: os.close(number)\n"
        "cli.settle_streams(); os.fstat(0); os.fstat(1); os.fstat(2); sys.exit(7 if os.open('/', os.O_RDONLY) > 2 else 1)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 7


EMPTY = [
    (["plan", "--scale", ""], "--scale"),
    (["plan", "--scale="], "--scale"),
    (["check", "--scale", "  "], "--scale"),
    (["replicate", "--again", "", "--compare-only"], "--again"),
    (["judge", "a.csv", "--as", "", "--split", ""], "--as, --split"),
    (["score", ""], "score"),
    (["fetch", ""], "fetch"),
    (["conform", ""], "conform"),
    (["explain", "", "--cell", "a", "b"], "explain"),
    (["audit", "--papers", ""], "--papers"),
]


@pytest.mark.parametrize(("words", "named"), EMPTY, ids=[" ".join(words) for words, _ in EMPTY])
def test_a_variable_of_the_shell_that_is_not_set_is_no_default(words, named, capsys):
    assert cli.main(words) == 1
    assert capsys.readouterr().err.startswith(f"rescore: nothing stands behind {named}.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fetch", "--root", "README.md"], "--root README.md: not a folder"),
        (["fetch", "aqa7-lists", "--height", "0"], "--height 0: takes the lines"),
        (["rehearse", "--scale", "smoke", "--memory", "0"], "numbers above 0"),
        (["rehearse", "--scale", "smoke", "--memory", "-8"], "numbers above 0"),
        (["rehearse", "--scale", "smoke", "--memory", "nan"], "numbers above 0"),
        (["rehearse", "--scale", "smoke", "--minutes", "nan"], "numbers above 0"),
        (["score", "README.md", "--csv", "points.txt"], "--csv points.txt: name a .csv or .parquet file"),
        (["score", "README.md", "--csv", "p.csv", "--json", "./p.csv"], "two outputs are to go there"),
    ],
)
def test_values_that_an_option_cannot_have_are_one_sentence(words, message, capsys):
    assert cli.main(words) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "what"), [("nowhere", "nowhere, which is not there"), ("README.md", "README.md, which is a file")]
)
def test_a_mirror_that_is_none_is_said_by_whoever_looks_into_it(named, what, capsys, monkeypatch):
    monkeypatch.setenv("RESCORE_MIRROR", named)
    for words in (["plan", "--scale", "smoke"], ["judge", "a.csv", "--data", "aqa7"], ["fetch", "aqa7-lists"]):
        assert cli.main(words) == 1
        assert f"RESCORE_MIRROR names {what}" in capsys.readouterr().err
