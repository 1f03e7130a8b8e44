"""Whatever a synthetic number is, even the printed one itself: it never earns a verdict on a paper."""

import itertools

import pytest

from rescore.reporting.tables import verdict
from rescore.reporting.wording import PROTOCOLS
from rescore.scoring.papers import RELEASED_RULES
from tests.reporting.test_wording import TABLES

SOURCES = ("aqa7_videos", "mtl_aqa_videos", "pretraining_videos")
OFFICIAL = dict.fromkeys(SOURCES, "official")
EQUAL = {
    "row": "A row",
    "column": "A column",
    "reported": "0.5",
    "reproduced": "0.5",
    "low": "0.4",
    "high": "0.6",
    "prediction_low": "0.45",
    "prediction_high": "0.55",
    "seeds": "3",
    "variance": "trainings",
}


def judged(table, settings, **more):
    # What is read from released files is real at every scale.
    rules = [protocol for protocol in PROTOCOLS if protocol not in RELEASED_RULES]
    return {verdict(TABLES[table], {**EQUAL, "protocol": protocol, **more}, settings)[0] for protocol in rules}


@pytest.mark.parametrize("table", list(TABLES))
def test_synthetic_never_earns_a_verdict(table):
    synthetic = dict.fromkeys(SOURCES, "synthetic")
    for scale, inside in itertools.product(("demo", "smoke", "paper"), (True, False)):
        more = {} if inside else {"prediction_low": "0.8", "prediction_high": "0.9", "reproduced": "0.85"}
        found = judged(table, {"scale": scale, "sources": synthetic}, **more)
        assert found <= {"not comparable", "not run"}


@pytest.mark.parametrize("table", [name for name, table in TABLES.items() if not table.characteristics])
def test_one_synthetic_source_of_its_own_is_enough(table):
    assert "reproduced" in judged(table, {"scale": "paper", "sources": OFFICIAL})
    mine = TABLES[table].videos or "aqa7_videos"
    for source in (mine, "pretraining_videos"):
        found = judged(table, {"scale": "paper", "sources": OFFICIAL | {source: "synthetic"}})
        assert not found & {"reproduced", "differs"}


PAPER = {"scale": "paper", "sources": OFFICIAL}
WIDE, NARROW, AWAY = ("0.1", "0.9"), ("0.45", "0.55"), ("0.6", "0.7")


def by(confidence, prediction, variance="trainings"):
    names = ("low", "high", "prediction_low", "prediction_high")
    line = dict(zip(names, (*confidence, *prediction), strict=True)) | {
        "protocol": "last_iteration",
        "variance": variance,
    }
    return verdict(TABLES["aqa7_table2"], {**EQUAL, **line}, PAPER)


def test_a_printed_number_is_judged_by_the_prediction_interval_and_by_it_alone():
    """The two intervals give opposite verdicts, either way round."""
    assert by(WIDE, AWAY)[0] == "differs"
    assert by(AWAY, NARROW) == ("reproduced", "the reported value lies in the prediction interval")
    assert "outside the prediction interval by 0.1000" in by(WIDE, AWAY)[1]


def test_where_nothing_is_trained_the_confidence_interval_judges_and_says_so():
    for confidence, word in ((WIDE, "reproduced"), (AWAY, "differs")):
        name, reason = by(confidence, ("", ""), "nothing trained")
        assert name == word
        assert "confidence interval" in reason
        assert "nothing is trained again" in reason


@pytest.mark.parametrize("confidence", [WIDE, AWAY])
def test_one_training_without_a_file_is_judged_by_nothing(confidence):
    name, reason = by(confidence, ("", ""), "none")
    assert (name, "over test samples only" in reason) == ("not comparable", True)


def test_a_file_of_variances_judges_one_training():
    assert by(WIDE, AWAY, "file")[0] == "differs"


def test_without_a_prediction_interval_there_is_no_verdict():
    assert by(WIDE, ("", ""))[0] == "not comparable"
