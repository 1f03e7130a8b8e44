"""Predictions of whatever code, judged: numbers equal those of the field's definitions, and what is odd is said before them."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore import cli
from rescore.engine.errors import RescoreError
from rescore.judging import measures, report
from rescore.judging.judge import as_printed, from_paper, judge
from rescore.judging.predicted import read_predictions
from rescore.judging.references import RELEASED, Reference, own
from rescore.judging.samples import words_of
from rescore.scoring.correlation import estimate_spearman

OPTIONS = {"replicates": 300, "confidence": 0.95, "seed": 0}
N = 60


def labels(n=N, actions=("diving",)) -> Reference:
    random = np.random.default_rng(1)
    parts = []
    for action in actions:
        difficulty = random.choice([2.8, 3.0, 3.2, 3.6], 2 * n)
        table = pd.DataFrame(
            {
                "sample": [f"{action}/{number:03d}" for number in range(1, 2 * n + 1)],
                "action": action,
                "split": ["train"] * n + ["test"] * n,
                "score": (difficulty * random.uniform(15, 29, 2 * n)).round(2),
                "difficulty": difficulty,
                "event": random.choice(["01", "02"], 2 * n),
            }
        )
        parts.append(table)
    table = pd.concat(parts, ignore_index=True)
    test = frozenset(table.loc[table["split"] == "test", "sample"])
    other = frozenset(table.loc[table.index % 2 == 0, "sample"])
    return Reference("dives", table, {RELEASED: test, "even": other})


def predicted(reference: Reference, noise=8.0, split=RELEASED, seed=0) -> pd.DataFrame:
    table = reference.table[reference.table["sample"].isin(reference.splits[split])]
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {"sample": table["sample"], "predicted": table["score"] + noise * random.standard_normal(len(table))}
    ).reset_index(drop=True)


def judged(tmp_path, table: pd.DataFrame, reference: Reference | None, name="predictions.csv", **more):
    path = tmp_path / name
    table.to_csv(path, index=False)
    return judge(read_predictions(path), reference, OPTIONS, **more)


def odd_of(tmp_path, table, reference, **more) -> str:
    return "\n".join(judged(tmp_path, table, reference, **more).odd)


def value_of(found, name, of):
    (one,) = [each for each in (*found.measures, *found.baselines) if (each.name, each.of) == (name, of)]
    return one


def test_the_measures_are_those_of_the_field(tmp_path):
    reference = labels()
    table = predicted(reference)
    found = judged(tmp_path, table, reference)
    assert found.odd == ()
    true = reference.table.set_index("sample")["score"].loc[table["sample"]].to_numpy()
    rho = value_of(found, measures.RHO, "all samples")
    assert rho.value == pytest.approx(spearmanr(true, table["predicted"]).statistic, abs=1e-12)
    assert rho.low < rho.value < rho.high
    assert (rho.n, rho.seeds) == (N, 1)
    rmse = np.sqrt(np.mean((true - table["predicted"]) ** 2))
    assert value_of(found, measures.RMSE, "all samples").value == pytest.approx(rmse, abs=1e-9)
    whole, mine = (each for each in found.measures if each.name == measures.RELATIVE)
    everyone = reference.table["score"]
    assert whole.value == pytest.approx(100 * (rmse / (everyone.max() - everyone.min())) ** 2)
    assert mine.value == pytest.approx(100 * (rmse / (true.max() - true.min())) ** 2)
    assert "the data set" in whole.of
    assert "these samples" in mine.of
    assert whole.low < whole.value < whole.high


def test_what_labels_alone_predict_stands_beside(tmp_path):
    reference = labels()
    found = judged(tmp_path, predicted(reference), reference)
    test = reference.table[reference.table["split"] == "test"]
    difficulty = value_of(found, measures.RHO, "difficulty alone")
    assert difficulty.value == pytest.approx(spearmanr(test["score"], test["difficulty"]).statistic, abs=1e-12)
    train = reference.table[reference.table["split"] == "train"]
    event = test["event"].map(train.groupby("event")["score"].mean())
    of_event = value_of(found, measures.RHO, "mean of its event, training samples")
    assert of_event.value == pytest.approx(spearmanr(test["score"], event).statistic, abs=1e-12)


def test_actions_are_averaged_both_ways_and_points_are_not_mixed(tmp_path):
    reference = labels(30, ("diving", "skiing"))
    table = predicted(reference)
    found = judged(tmp_path, table, reference)
    each = [value_of(found, measures.RHO, action).value for action in ("diving", "skiing")]
    fisher = value_of(found, measures.RHO, "Fisher's z average of 2 actions")
    assert fisher.value == pytest.approx(np.tanh(np.mean(np.arctanh(each))))
    assert value_of(found, measures.RHO, "arithmetic mean of 2 actions").value == pytest.approx(np.mean(each))
    assert fisher.low < fisher.value < fisher.high
    assert {one.of for one in found.measures if one.name == measures.RMSE} == {"diving", "skiing"}
    assert found.baselines == ()


def test_seeds_are_trainings_and_folds_are_not(tmp_path):
    reference = labels()
    seeds = pd.concat([predicted(reference, seed=seed).assign(seed=seed) for seed in range(3)])
    found = judged(tmp_path, seeds, reference)
    rho = value_of(found, measures.RHO, "all samples")
    assert rho.seeds == 3
    assert "new trainings" in report.describe(found)
    folds = predicted(reference).assign(fold=[1, 2, 3] * 20)
    found = judged(tmp_path, folds, reference)
    each = [one.value for one in found.measures if one.of.startswith("fold ")]
    assert len(each) == 3
    assert value_of(found, measures.RHO, "arithmetic mean of 3 folds").value == pytest.approx(np.mean(each))
    assert not [one for one in found.measures if (one.name, one.of) == (measures.RHO, "all samples")]


ODD = {
    "missing": (lambda t, r: t.iloc[5:], "5 of 60 test samples have no prediction"),
    "unknown": (
        lambda t, r: pd.concat([t, pd.DataFrame({"sample": ["diving/999"], "predicted": [60.0]})]),
        "1 samples are not in",
    ),
    "twice alike": (lambda t, r: pd.concat([t, t.iloc[:2]]), "2 samples stand more than once with the same prediction"),
    "training samples": (
        lambda t, r: pd.concat([t, r.table.loc[:3, ["sample"]].assign(predicted=[50, 60, 70, 80])]),
        "4 samples are training samples",
    ),
    "constant": (lambda t, r: t.assign(predicted=70.0), "every prediction is 70: a constant has no order"),
    "NaN": (
        lambda t, r: t.assign(predicted=t["predicted"].where(t.index != 3)),
        "predictions of 1 samples are missing, NaN",
    ),
    "infinite": (
        lambda t, r: t.assign(predicted=t["predicted"].where(t.index != 3, np.inf)),
        "predictions of 1 samples",
    ),
    "normalised": (lambda t, r: t.assign(predicted=t["predicted"] / 110), "they look normalised to 0 to 1"),
    "standardised": (
        lambda t, r: t.assign(predicted=(t["predicted"] - t["predicted"].mean()) / t["predicted"].std()),
        "they look standardised",
    ),
    "hundredfold": (lambda t, r: t.assign(predicted=100 * t["predicted"]), "they look a hundredfold"),
    "hundredth": (lambda t, r: t.assign(predicted=t["predicted"] / 100 + 2), "not in the scores' unit"),
    "perfect": (
        lambda t, r: t.assign(predicted=t["sample"].map(r.table.set_index("sample")["score"])),
        "suspiciously perfect",
    ),
    "negated": (lambda t, r: t.assign(predicted=150 - t["predicted"]), "run against the scores"),
    "rounded": (lambda t, r: t.assign(predicted=t["predicted"].round(-1)), "different values among 60 samples"),
    "few": (lambda t, r: t.iloc[:20], "20 samples: fewer than 30"),
    "other truth": (lambda t, r: t.assign(true=50.0), "the file's true scores are not the labels at"),
    "truth a hundredfold": (
        lambda t, r: t.assign(true=100 * t["sample"].map(r.table.set_index("sample")["score"])),
        "the file's true scores are 100 times the labels'",
    ),
    "another split": (
        lambda t, r: (
            r.table.iloc[::2][["sample", "score"]]
            .rename(columns={"score": "predicted"})
            .assign(predicted=lambda x: x["predicted"] + np.arange(len(x)))
        ),
        "fit the test samples of the even split better (60 of 60) than those of the released split (30 of 60): --split even",
    ),
    "training samples alone": (
        lambda t, r: r.table.iloc[:N][["sample"]].assign(predicted=np.arange(N) % 37 + 40.0),
        "none of the samples is a test sample",
    ),
    "uneven seeds": (
        lambda t, r: pd.concat([t.assign(seed=1), t.iloc[2:].assign(seed=2, predicted=t["predicted"] + 1)]),
        "2 samples were not predicted by every one of 2 seeds",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_is_one_sentence_before_any_number(tmp_path, case):
    change, sentence = ODD[case]
    reference = labels()
    found = judged(tmp_path, change(predicted(reference), reference), reference)
    assert sentence in "\n".join(found.odd)
    text = report.describe(found)
    assert text.index(sentence) < text.index("Measures")
    assert all("\n" not in message for message in found.odd)


def test_score_over_difficulty_is_recognised(tmp_path):
    reference = labels()
    table = predicted(reference, 3.0)
    difficulty = reference.table.set_index("sample")["difficulty"].loc[table["sample"]].to_numpy()
    text = odd_of(tmp_path, table.assign(predicted=table["predicted"] / difficulty), reference)
    assert "they look like score / difficulty; times the difficulty their rho is" in text


def test_errors_in_points_are_left_out_in_another_unit(tmp_path):
    reference = labels()
    table = predicted(reference)
    found = judged(tmp_path, table.assign(predicted=table["predicted"] / 110), reference)
    assert {one.name for one in found.measures} == {measures.RHO}


SPELLED = ["01/064", "(1, 64)", "1_64", "1-64", "01_064.mp4", "[1 64]"]


def test_samples_are_known_however_they_are_spelled(tmp_path):
    assert len({words_of(name) for name in SPELLED}) == 1
    reference = labels()
    table = predicted(reference)
    for change in (
        lambda name: name.replace("/", "_"),
        lambda name: f"videos/{name}.avi",
        lambda name: name.upper(),
        lambda name: f"diving/{int(name[-3:])}",
    ):
        found = judged(tmp_path, table.assign(sample=table["sample"].map(change)), reference)
        assert found.odd == ()
    numbered = table.assign(sample=table["sample"].str[-3:], action="diving")
    assert judged(tmp_path, numbered, reference).odd == ()


def written(path, table):
    kind = path.suffix
    if kind == ".parquet":
        table.to_parquet(path)
    elif kind == ".npz":
        np.savez(path, pred=table["predicted"].to_numpy(), gt=table["true"].to_numpy())
    elif path.name.startswith("mapping"):
        path.write_text(json.dumps(dict(zip(table["sample"], table["predicted"], strict=True))))
    elif kind == ".json":
        path.write_text(table.to_json(orient="records"))
    elif kind == ".jsonl":
        path.write_text(table.to_json(orient="records", lines=True))
    elif path.name.startswith("german"):
        text = table.to_csv(index=False, sep=";", decimal=",")
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    else:
        table.to_csv(path, index=False, sep="\t" if kind == ".tsv" else ",")


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.parquet", "a.json", "a.jsonl", "mapping.json", "german.csv", "a.npz"]
)
def test_every_form_gives_the_same_number(tmp_path, name):
    reference = labels()
    table = predicted(reference)
    table["true"] = table["sample"].map(reference.table.set_index("sample")["score"])
    written(tmp_path / name, table)
    found = judge(read_predictions(tmp_path / name), None if name == "a.npz" else reference, OPTIONS)
    expected = spearmanr(table["true"], table["predicted"]).statistic
    assert value_of(found, measures.RHO, "all samples").value == pytest.approx(expected, abs=1e-9)


def test_rows_without_names_are_taken_by_their_order_where_true_scores_say_so(tmp_path):
    reference = labels()
    table = predicted(reference)
    table["true"] = table["sample"].map(reference.table.set_index("sample")["score"])
    found = judged(tmp_path, table.drop(columns="sample"), reference)
    assert "in order" in found.odd[0]
    assert found.baselines
    with pytest.raises(RescoreError, match="no column of samples"):
        judged(tmp_path, table.drop(columns=["sample", "true"]), reference)


BAD = {
    "nothing.csv": (None, "no such file"),
    "empty.csv": (b"", "empty"),
    "numbers.csv": (b"diving/001,70.5\ndiving/002,80\n", "put the columns' names there"),
    "words.csv": (b"sample,predicted\ndiving/061,seventy\ndiving/062,8O\n", "row 2: predicted is 'seventy'"),
    "cut.csv": (b"sample,predicted\ndiving/061\n", "row 2: 1 cells, 2 columns"),
    "columns.csv": (b"sample,rating\ndiving/061,70\n", "Name it: --column predicted=NAME"),
    "two.csv": (b"sample,predicted,predicted\na,1,2\n", "'predicted' stands twice"),
    "others.csv": (b"sample,predicted\nvault-1,7\nvault-2,8\n", "no sample is one of dives"),
    "conflict.csv": (b"sample,predicted\ndiving/061,7\ndiving/061,8\n", "two predictions, or true scores, each"),
    "nan.csv": (b"sample,predicted\ndiving/061,nan\ndiving/062,\n", "Nothing can be ranked"),
    "members.csv": (b"sample,predicted,model\ndiving/061,7,a\ndiving/061,8,b\n", "--member NAME"),
    "a.json": (b"[1, 2]", "neither a list of objects"),
    "b.json": (b"{", "not JSON"),
    "a.parquet": (b"PAR1", "not a readable Parquet file"),
    "a.npy": (b"\x93NUMPY", "not readable arrays"),
    "twice.json": (b'{"diving/061": 7, "diving/062": 8, "diving/061": 9}', "names that stand twice"),
    "twice_inside.json": (b'[{"sample": "diving/061", "predicted": 7, "predicted": 8}]', "names that stand twice"),
    "truth.json": (b'{"diving/061": true, "diving/062": 8}', "row 2: predicted is True, a truth value"),
    "third.jsonl": (b'{"sample": "a", "predicted": 1}\n{"sample": "b", "predicted": 2}\n{"sample"\n', "line 3: "),
    "powershell.json": ('{"diving/061": 7}'.encode("utf-16"), "not in UTF-8"),
    "underscore.csv": (b"sample,predicted\ndiving/061,8_5\ndiving/062,7\n", "row 2: predicted is '8_5'"),
    "digits.csv": ("sample,predicted\ndiving/061,\uff18\uff15\n".encode(), "row 2: predicted is '\uff18\uff15'"),
    "separator.csv": (b"sep=;\n", "empty"),
    "a.pkl": (b"\x80", "Save it as CSV"),
    "workbook.csv": (b"PK\x03\x04", "workbook"),
    "latin.csv": ("sample,predicted\nSprünge,1\n".encode("latin-1"), "not in UTF-8"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_judged_is_one_error_with_its_remedy(tmp_path, name):
    content, message = BAD[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RescoreError) as caught:
        judge(read_predictions(tmp_path / name), labels(), OPTIONS)
    assert message in str(caught.value)


def test_a_difference_has_its_interval_and_a_permutation_test(tmp_path):
    reference = labels()
    good, bad = predicted(reference, 5.0), predicted(reference, 60.0, seed=1)
    bad.to_csv(tmp_path / "bad.csv", index=False)
    found = judged(tmp_path, good, reference, against=read_predictions(tmp_path / "bad.csv")).difference
    assert found.value == pytest.approx(found.left - found.right)
    assert 0 < found.low < found.value < found.high
    assert found.p < 0.01
    good.to_csv(tmp_path / "same.csv", index=False)
    same = judged(tmp_path, good, reference, against=read_predictions(tmp_path / "same.csv")).difference
    assert same.value == 0
    assert same.p == 1


def test_the_permutation_test_keeps_its_level():
    random = np.random.default_rng(5)
    options, below = {**OPTIONS, "replicates": 199}, 0
    for _ in range(100):
        truth = random.standard_normal(40)
        sides = [
            pd.DataFrame(
                {"seed": "", "fold": "", "sample": [f"{i:02d}" for i in range(40)], "action": "", "target": truth}
            ).assign(predicted=truth + random.standard_normal(40))
            for _ in range(2)
        ]
        below += measures.compare(*sides, options).p <= 0.1
    assert 3 <= below <= 20  # 10 expected; outside with probability .003


def test_the_tests_normal_limit_is_near_the_drawn_one(monkeypatch):
    added = np.random.default_rng(6).normal(0.02, 1, 2000)
    options = {**OPTIONS, "replicates": 5000}
    drawn = measures.sign_flip_p(added, options)
    monkeypatch.setattr(measures, "LARGE", 100)
    assert measures.sign_flip_p(added, options) == pytest.approx(drawn, abs=0.03)
    assert measures.sign_flip_p(np.zeros(200), options) == 1


def test_a_printed_number_is_held_against(tmp_path):
    reference = labels()
    table = predicted(reference)
    rho = value_of(judged(tmp_path, table, reference), measures.RHO, "all samples").value
    assert judged(tmp_path, table, reference, printed=as_printed(f"{rho:.4f}")).verdict.word == "the same number"
    assert judged(tmp_path, table, reference, printed=as_printed(f"{100 * rho:.2f}")).verdict.word == "the same number"
    other = judged(tmp_path, table, reference, printed=as_printed(f"{rho - 0.01:.4f}")).verdict
    assert other.word == "another number"
    assert "inside the interval" in other.reason
    for text in ("two", "144", "nan", ""):
        with pytest.raises(RescoreError, match="--reported"):
            as_printed(text)


def test_a_papers_number_is_found_by_its_cell():
    found = from_paper("mtl_aqa table7 'C3D-SVR'")
    assert (found.value, found.places) == (pytest.approx(0.7716), 4)
    for words, message in {
        "mtl_aqa table7 'C3D-SVM'": "did you mean 'C3D-SVR'?",
        "mtl_aqa table4 AQA": "say which column, one of C3D-AVG, MSCADC",
        "mtl_aqua table4 AQA": "no 'mtl_aqua', did you mean 'mtl_aqa'?",
        "mtl_aqa": "PAPER TABLE",
        "mtl_aqa table7 'C3D": "No closing quotation",
    }.items():
        with pytest.raises(RescoreError) as caught:
            from_paper(words)
        assert message in str(caught.value)


def test_influences_of_many_samples_are_the_jackknifes():
    random = np.random.default_rng(2)
    for digits in (6, 0):  # without ties and with
        target = random.normal(0, 3, 400).round(digits)
        values = (target + random.normal(0, 3, 400)).round(digits)
        names = np.array([[f"{number:03d}" for number in range(400)]], dtype=object)
        exact = estimate_spearman(target[None], values[None], names, measures.trained(1), 100, 0).influence[0]
        found = measures.rank_influences(target, values)
        assert np.square(found).sum() == pytest.approx(np.square(exact).sum(), rel=0.03)
        assert np.corrcoef(found, exact)[0, 1] > 0.995


def test_a_hundred_thousand_samples_are_judged_without_a_bootstrap(tmp_path):
    random = np.random.default_rng(3)
    n = 100_000
    true = random.normal(60, 10, n)
    table = pd.DataFrame({"sample": np.arange(n), "predicted": true + random.normal(0, 10, n), "target": true})
    found = judged(tmp_path, table, None)
    rho = found.measures[0]
    assert rho.high - rho.low == pytest.approx(2 * 1.96 * 0.54 / np.sqrt(n), rel=0.2)
    assert "influence functions" in report.describe(found)


def test_the_command_writes_every_form_and_loads_no_framework(tmp_path):
    reference = labels()
    reference.table.to_csv(tmp_path / "labels.csv", index=False)
    predicted(reference).to_csv(tmp_path / "p.csv", index=False)
    code = (
        "import sys\nfrom rescore import cli\nstatus = cli.main(sys.argv[1:])\n"
        "assert 'torch' not in sys.modules\nsys.exit(status)"
    )
    outputs = [word for kind in ("html", "json", "csv") for word in (f"--{kind}", str(tmp_path / f"o.{kind}"))]
    command = [sys.executable, "-c", code, "judge", "p.csv", "--labels", "labels.csv", "--reported", ".5", *outputs]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # another number than the printed one
    assert "another number: printed .5" in done.stdout
    content = json.loads((tmp_path / "o.json").read_text())
    shown = f"{content['measures'][0]['value']:.4f}"
    assert shown in done.stdout
    assert shown in (tmp_path / "o.html").read_text()
    assert pd.read_csv(tmp_path / "o.csv")["value"][0] == pytest.approx(content["measures"][0]["value"])
    again = subprocess.run([*command[:-6], *outputs], cwd=tmp_path, capture_output=True, text=True)
    assert again.stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.csv", "b.csv", "c.csv"], "3 files"),
        (["a.csv", "--column", "predictd=x"], "WHAT is one of"),
        (["a.csv", "--labels", "l.csv", "--data", "aqa7"], "Give one"),
        (["a.csv", "--confidence", "95"], "between 0 and 1"),
        (["a.csv", "--data", "finediving"], "--labels FILE"),
        (["a.csv", "--reported", ".5", "--as", "x"], "Give one"),
        (["a.csv", "--of", "all samples"], "Give it too"),
        (["a.csv", "--places", "3"], "Give it too"),
        (["/dev/null"], "a pipe or device"),
    ],
)
def test_options_that_cannot_be_are_one_error(words, message):
    with pytest.raises(RescoreError) as caught:
        cli.run_judge(cli.build_parser().parse_args(["judge", *words]))
    assert message in str(caught.value)


def test_labels_of_ones_own_are_read_strictly(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("sample,score\na,1\na,2\n")
    with pytest.raises(RescoreError, match="1 samples stand twice: a"):
        own(path)
    path.write_text("sample,score\na,\n")
    with pytest.raises(RescoreError, match="score is empty"):
        own(path)
    path.write_text("sample,score\na,1\nb,2\n")
    assert own(path).test(None) == {"a", "b"}
    with pytest.raises(RescoreError, match="--split even: no such split"):
        own(path).test("even")


def test_what_stands_in_labels_and_is_none_is_named_together(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text('sample,score,difficulty\na,1,"3,2"\nb,2,\nc,3,hard\nd,4,3.0\n')
    with pytest.raises(RescoreError) as caught:
        own(path)
    said = str(caught.value)
    assert "(2):" in said
    assert "a: its difficulty is '3,2'; write it with a point" in said
    assert "c: its difficulty is 'hard', not a number" in said
    path.write_text("sample,score\n")
    with pytest.raises(RescoreError, match="no sample stands in it"):
        own(path)
    table = pd.DataFrame({"sample": [None, "b", "c"], "score": ["1,5", 2, None]})
    for name in ("labels.PARQUET", "labels.pq"):
        table.astype({"score": str}, errors="ignore").to_parquet(tmp_path / name)
        with pytest.raises(RescoreError) as caught:
            own(tmp_path / name)
        assert "row 1: its sample is missing" in str(caught.value)
    table.iloc[:0].to_parquet(tmp_path / "labels.pq")
    with pytest.raises(RescoreError, match="no sample stands in it"):
        own(tmp_path / "labels.pq")


@pytest.mark.parametrize(
    "values",
    [np.array([True, False]), np.array([1j, 2]), np.array(["2020-01-01"] * 2, "M8[D]"), np.zeros(2, [("a", "f8")])],
    ids=["truth", "complex", "dates", "records"],
)
def test_arrays_of_what_is_no_number_are_one_sentence(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(RescoreError, match="which are no numbers") as caught:
        read_predictions(tmp_path / "a.npy")
    assert len(str(caught.value)) < 300


def test_excels_first_line_names_the_separator(tmp_path):
    table = predicted(labels())
    rows = [f"{sample};{str(value).replace('.', ',')}" for sample, value in table.itertuples(index=False)]
    path = tmp_path / "p.csv"
    path.write_text("sep=;\n" + "\n".join(["sample;predicted", *rows]))
    assert read_predictions(path).table["predicted"].tolist() == pytest.approx(table["predicted"].tolist())


def test_a_table_may_be_written_under_any_name_but_two_not_under_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    predicted(labels()).assign(true=lambda table: table["predicted"] + 1).to_csv("p.csv", index=False)
    assert cli.main(["judge", "p.csv", "--replicates", "100", "--csv", "measures.txt"]) == 0
    assert pd.read_csv("measures.txt")["value"][0] == 1.0
    with pytest.raises(RescoreError, match="two outputs are to go there"):
        cli.run_judge(cli.build_parser().parse_args(["judge", "p.csv", "--csv", "o", "--json", "./o"]))


def folds(reference, seed=0):
    return predicted(reference, seed=seed).assign(fold=[1, 2, 3, 4] * (N // 4))


def test_the_verdict_says_which_correlation_it_is_about(tmp_path):
    reference = labels()
    found = judged(tmp_path, folds(reference), reference)
    mean = value_of(found, measures.RHO, "arithmetic mean of 4 folds").value
    printed = as_printed(f"{mean:.4f}")
    assert judged(tmp_path, folds(reference), reference, printed=printed).verdict.word == "the same number"
    one = judged(tmp_path, folds(reference), reference, printed=printed, of="fold 1").verdict
    assert one.word == "another number"
    assert "fold 1: from these predictions" in one.reason
    with pytest.raises(RescoreError, match="--of fold 9: no such correlation"):
        judged(tmp_path, folds(reference), reference, printed=printed, of="fold 9")
    actions = labels(30, ("diving", "skiing"))
    said = judged(tmp_path, predicted(actions), actions, printed=as_printed(".5")).verdict.reason
    assert "Fisher's z average of 2 actions: from these" in said


def test_the_last_iteration_is_each_seeds_own(tmp_path):
    reference = labels()
    parts = [predicted(reference, seed=seed).assign(seed=seed, epoch=90 + 10 * seed) for seed in (0, 1)]
    early = predicted(reference, 30.0, seed=7).assign(seed=0, epoch=10)
    found = judged(tmp_path, pd.concat([early, *parts]), reference)
    assert found.measures[0].seeds == 2
    assert "of each seed or fold is judged: 90, 100" in found.odd[0]


def test_files_whose_true_scores_differ_are_not_paired(tmp_path):
    reference = labels()
    table = predicted(reference)
    table["true"] = table["sample"].map(reference.table.set_index("sample")["score"])
    other = table.sample(frac=1, random_state=0)
    for left, right in ((table, table.assign(true=other["true"].to_numpy())), (table.iloc[:, 1:], other.iloc[:, 1:])):
        right.to_csv(tmp_path / "other.csv", index=False)
        found = judged(tmp_path, left, None, against=read_predictions(tmp_path / "other.csv"))
        assert found.difference is None
        assert "the files' true scores differ at" in found.odd[-1]


def test_folds_are_compared_fold_by_fold(tmp_path):
    reference = labels()
    bad = folds(reference).assign(predicted=np.random.default_rng(9).standard_normal(N))
    bad.to_csv(tmp_path / "bad.csv", index=False)
    found = judged(tmp_path, folds(reference), reference, against=read_predictions(tmp_path / "bad.csv"))
    assert found.difference.left == pytest.approx(value_of(found, measures.RHO, "arithmetic mean of 4 folds").value)
    assert found.difference.p < 0.01
    again = pd.concat(
        [folds(reference), folds(reference, 1).assign(fold=9)]
    )  # repeated: samples stand in several folds
    again.to_csv(tmp_path / "again.csv", index=False)
    found = judged(tmp_path, again, reference, against=read_predictions(tmp_path / "again.csv"))
    assert found.difference.value == 0
    assert {one.name for one in found.measures} == {measures.RHO}


PRINTED = {
    ".9044": (0.9044, 4),
    "0.90 ": (0.9, 2),
    "90.44": (0.9044, 4),
    "-.2": (-0.2, 1),
    "90": (0.9, 2),
    "9e-1": (0.9, 1),
}


@pytest.mark.parametrize("text", PRINTED)
def test_the_printed_digits_count(text):
    found = as_printed(text)
    assert (found.value, found.places) == (pytest.approx(PRINTED[text][0]), PRINTED[text][1])


def test_numbers_without_digits_are_refused_and_places_are_of_what_is_printed():
    for text in ("1", "0", "-1"):
        with pytest.raises(RescoreError, match="--places 2"):
            as_printed(text)
    assert as_printed("1", 2).places == 2
    assert as_printed("90.44", 1).places == 3
    assert from_paper("mtl_aqa table7 'C3D-SVR'", places=1).places == 3


@pytest.mark.parametrize("words", ["mtl_aqa table1 MTL-AQA '# Samples'", "mtl_aqa table5 '+ Cls' Position"])
def test_cells_that_are_no_correlation_are_refused(words):
    with pytest.raises(RescoreError, match="--as"):
        from_paper(words)


def test_labels_of_ones_own_may_spell_their_split_and_scores_as_they_like(tmp_path):
    reference = labels()
    table = reference.table.assign(split=reference.table["split"].str.capitalize())
    table.to_csv(tmp_path / "labels.csv", index=False)
    assert own(tmp_path / "labels.csv").test(None) == reference.test(None)
    table.assign(score=table["score"].astype(str)).to_parquet(tmp_path / "labels.parquet")
    assert own(tmp_path / "labels.parquet").table["score"].max() == reference.table["score"].max()
    table.assign(split="val", score="x").to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(RescoreError) as caught:
        own(tmp_path / "labels.parquet")
    assert "column split names no sample `test` (it has val)" in str(caught.value)
    assert "its score is 'x', not a number" in str(caught.value)


def test_forms_that_stand_beside_the_usual_ones(tmp_path):
    reference = labels()
    table = predicted(reference)
    rho = judged(tmp_path, table, reference).measures[0].value
    (tmp_path / "lines.json").write_text(table.to_json(orient="records", lines=True))
    mapping = dict(zip(table["sample"], table["predicted"], strict=True)) | {table["sample"][0]: None}
    (tmp_path / "nulls.json").write_text(json.dumps(mapping))
    table.set_index("sample").to_parquet(tmp_path / "index.parquet")
    table.assign(predicted=table["predicted"].astype("Float64").where(table.index > 0)).to_parquet(
        tmp_path / "na.parquet"
    )
    for name, same in {"lines.json": True, "index.parquet": True, "nulls.json": False, "na.parquet": False}.items():
        found = judge(read_predictions(tmp_path / name), reference, OPTIONS)
        assert (found.measures[0].value == pytest.approx(rho)) == same
        assert ("missing, NaN" in "".join(found.odd)) != same
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    for name in ("deep.json", "cut.npz"):
        with pytest.raises(RescoreError, match=name):
            read_predictions(tmp_path / name)


def test_a_choice_among_columns_is_said(tmp_path):
    reference = labels()
    table = predicted(reference)
    found = judged(tmp_path, table.assign(output=0.0, id=range(N)), reference)
    assert "column 'predicted' is taken for predicted, and not output" in "\n".join(found.odd)
    assert "column 'sample' is taken for sample, and not id" in "\n".join(found.odd)
    renamed = table.rename(columns={"predicted": "score"}).assign(gt=table["predicted"] + 1)
    assert "column 'score' is taken for the predictions" in judged(tmp_path, renamed, None).odd[0]


def test_names_that_begin_anew_in_each_action_and_rows_of_several_seeds(tmp_path):
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {"action": ["a"] * 40 + ["b"] * 40, "sample": [*range(40)] * 2, "gt": random.normal(60, 9, 80)}
    )
    table["pred"] = table["gt"] + random.normal(0, 5, 80)
    found = judged(tmp_path, table, None)
    assert [one.n for one in found.measures[:3]] == [80, 40, 40]
    seeds = pd.concat([table[["gt", "pred"]].assign(seed=seed) for seed in (0, 1)])
    assert judged(tmp_path, seeds, None).measures[0].seeds == 2


def test_numbers_that_have_no_answer_are_said_without_a_warning(tmp_path, recwarn):
    table = pd.DataFrame({"sample": range(40), "pred": np.arange(40.0), "gt": 0.0})
    assert "every true score is 0" in "\n".join(judged(tmp_path, table, None).odd)
    one = table.assign(gt=np.arange(40.0) * 3 + 1, fold=[1] * 39 + [2])
    assert "fold 2: 1 samples, fewer than 4, so nothing stands there" in "\n".join(judged(tmp_path, one, None).odd)
    many = pd.DataFrame({"sample": range(4000), "pred": np.arange(4000.0), "gt": np.arange(4000.0)})
    assert "suspiciously perfect" in "\n".join(judged(tmp_path, many, None).odd)
    judged(tmp_path, many.assign(pred=1.0), None)
    judged(tmp_path, many.iloc[:1], None)
    assert [str(each.message) for each in recwarn] == []


def test_places_that_cannot_be_written_are_named_before_anything_runs(tmp_path):
    predicted(labels()).assign(true=1.0).to_csv(tmp_path / "p.csv", index=False)
    words = ["judge", str(tmp_path / "p.csv"), "--json", str(tmp_path), "--html", str(tmp_path / "no" / "x.html")]
    with pytest.raises(RescoreError) as caught:
        cli.run_judge(cli.build_parser().parse_args([*words, "--csv", str(tmp_path / "p.csv")]))
    for message in ("a folder", "no folder", "it is read, and would be replaced"):
        assert message in str(caught.value)
