"""Controls are kept, broken or undecided by the statistics that decide claims; bad files are refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from rescore.engine.errors import RescoreError
from rescore.scoring.controls import (
    BROKEN,
    KEPT,
    UNDECIDED,
    asked_cells,
    evaluate_controls,
    in_words,
    read_controls,
)
from rescore.scoring.correlation import Estimate, Trained
from rescore.scoring.estimates import write_estimates

SETTINGS = {"scoring": {"confidence": 0.95}}
CONTROLS = Path(__file__).parents[2] / "papers" / "controls" / "controls.yaml"
VALUES = {"nothing": 0.01, "little": 0.15, "much": 0.6, "most": 0.9}
WORDS = {"kind": "positive", "says": "it is so", "why": "it cannot be otherwise", "broken": "something is wrong"}


def estimate(value: float, spread: float, rng: np.random.Generator) -> Estimate:
    """Four trainings on 200 samples."""
    influence = np.tile(rng.normal(0, spread / 14, 200), (4, 1))
    names = np.array([f"s{number:03d}" for number in range(200)], dtype=object)
    values = value + spread * np.array([-1.0, -0.3, 0.3, 1.0])
    return Estimate(value, 200, values, names, influence, Trained((0, 1, 2, 3)))


@pytest.fixture
def numbers(tmp_path):
    """A table's results and estimates: `spread` says how far its trainings lie apart."""

    def write(spread: float = 0.02) -> tuple[Path, Path]:
        rng = np.random.default_rng(0)
        lines = [
            {
                "row": row,
                "column": "Avg",
                "protocol": "last_iteration",
                "reproduced": f"{value:.4f}",
                "n": "200",
                "seeds": "4",
            }
            for row, value in VALUES.items()
        ]
        table, estimates = tmp_path / "aqa7_t.csv", tmp_path / "aqa7_t.estimates.parquet"
        pd.DataFrame(lines).to_csv(table, index=False)
        named = [{"row": row, "column": "Avg", "statistic": "spearman", "protocol": "last_iteration"} for row in VALUES]
        write_estimates(estimates, [(name, estimate(VALUES[name["row"]], spread, rng)) for name in named])
        return table, estimates

    return write


def cells(*rows: str) -> dict:
    return {"table": "aqa7_t", "rows": list(rows), "columns": ["Avg"]}


def above(left: str, right: str) -> dict:
    return {"compare": {"left": cells(left), "right": cells(right), "relation": "greater"}}


def results(tmp_path: Path, numbers: tuple[Path, Path], exact: Path | None = None, **forms: dict) -> pd.DataFrame:
    """Each form's result, by its name."""
    declared = tmp_path / "controls.yaml"
    declared.write_text(
        yaml.safe_dump([{"id": name, **WORDS, **form} for name, form in forms.items()], sort_keys=False)
    )
    output = tmp_path / "controls.csv"
    evaluate_controls(declared, [numbers[0]], [numbers[1]], output, SETTINGS, [exact] if exact else None)
    return pd.read_csv(output, keep_default_na=False).set_index("control")


def test_statements_hold_or_not_beyond_chance(tmp_path, numbers):
    found = results(
        tmp_path,
        numbers(),
        kept={"holds": above("most", "much")},
        broken={"holds": above("nothing", "much")},
        not_so={"never": above("nothing", "much")},
        so={"never": above("much", "nothing")},
        missing={"holds": above("much", "nobody")},
        missing_too={"never": above("much", "nobody")},
    )
    assert found["result"].to_dict() == {
        **{"broken": BROKEN, "so": BROKEN, "missing": UNDECIDED, "missing_too": UNDECIDED},
        **{"kept": KEPT, "not_so": KEPT},
    }
    assert list(found["result"]) == sorted(found["result"], key=[BROKEN, UNDECIDED, KEPT].index), "broken ones first"


def test_what_trainings_leave_open_is_undecided_and_never_needs_no_proof(tmp_path, numbers):
    found = results(
        tmp_path, numbers(0.5), above={"holds": above("much", "nothing")}, never={"never": above("much", "nothing")}
    )
    assert found["result"].to_dict() == {"above": UNDECIDED, "never": KEPT}


def test_equivalence_is_told_from_outside_and_from_not_known(tmp_path, numbers):
    small = {name: {"equivalent": {"cells": cells(name), "within": 0.2}} for name in ("nothing", "little", "much")}
    found = results(tmp_path, numbers(0.05), **small)
    assert found["result"].to_dict() == {"much": BROKEN, "little": UNDECIDED, "nothing": KEPT}
    assert "90% interval" in found.loc["nothing", "found"]
    lost = results(tmp_path, numbers(), lost={"equivalent": {"cells": cells("nothing", "nobody"), "within": 0.2}})
    assert lost["result"].to_list() == [UNDECIDED]


def test_holm_counts_all_equivalences_of_the_file(tmp_path, numbers):
    one = {"equivalent": {"cells": cells("nothing"), "within": 0.2}}
    alone = results(tmp_path, numbers(0.1), nothing=one)
    among = results(tmp_path, numbers(0.1), nothing=one, **{f"more{i}": one for i in range(5)})
    assert alone.loc["nothing", "result"] == KEPT
    assert among.loc["nothing", "result"] == UNDECIDED


def test_exact_numbers_stand_beside_every_rule(tmp_path, numbers):
    exact = tmp_path / "twins.csv"
    pd.DataFrame([["same_training", "a", "weights", 1, 9], ["same_training", "b", "weights", 0, 9]]).to_csv(
        exact, index=False, header=["table", "row", "column", "value", "n"]
    )
    bound = {"cells": {"table": "same_training", "rows": ["a"], "columns": "all"}, "relation": "at_least", "value": 1}
    every = bound | {"cells": bound["cells"] | {"rows": "all"}}
    found = results(tmp_path, numbers(), exact, one={"holds": {"bound": bound}}, all={"holds": {"bound": every}})
    assert found["result"].to_dict() == {"one": KEPT, "all": BROKEN}
    assert in_words(found.reset_index()) == "controls: 1 of 2 kept, 1 broken, 0 undecided (broken: all)"


def test_the_cells_that_a_control_asks_for_are_named():
    bound = {"bound": {"cells": {"table": "a", "rows": ["x", "y"], "column": "c"}, "relation": "greater", "value": 0}}
    other = {"difference": {"left": {"table": "b", "row": "z"}, "right": {"table": "a", "row": "x", "column": "c"}}}
    found = [("a", "x", "c"), ("a", "y", "c"), ("b", "z", ""), ("a", "x", "c")]
    assert list(asked_cells({"all": [bound, other]})) == found


def test_the_projects_controls_are_in_their_form():
    assert {entry["kind"] for entry in read_controls(CONTROLS)} == {"positive", "negative", "leak"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "neutral"}, "kind"),
        ({"holds": above("a", "b"), "never": above("a", "b")}, "one"),
        ({"equivalent": {"cells": cells("a"), "within": 2}}, "within"),
        ({}, "one"),
        ({"holds": {"compares": {}}}, "holds"),
    ],
)
def test_a_bad_control_is_refused(tmp_path, change, said):
    path = tmp_path / "controls.yaml"
    path.write_text(yaml.safe_dump([{"id": "mine", **WORDS, **change}]))
    with pytest.raises(RescoreError, match=r"controls\.yaml: bad controls(.|\n)*mine"):
        read_controls(path)
