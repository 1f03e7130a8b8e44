"""Caption metrics: worked values, equality with pycocoevalcap's own classes, resamples, and what happens without Java."""

import math
import os
import subprocess

import numpy as np
import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring import caption_metrics
from rescore.scoring.caption_metrics import METRICS, caption_statistics, has_java, metric_values, plain_tokens, tokenise

needs_java = pytest.mark.skipif(not has_java(), reason="Java is not installed (openjdk-17-jre-headless)")
REFERENCES = [
    "He's got a very nice position, coming over just a little",
    "nice entry and a small splash",
    "a man walks",
    "large splash into the water",
    "café olé isn't | it ||| good",
]
CANDIDATES = [
    "nice tight tuck position, spots the water coming over a little",
    "",
    "a man walks",
    "splashing in water big huge",
    "it isn't a good café",
]


METEOR_OF_PACKAGE = 0.22084959875794807  # what pycocoevalcap's own class gives; a slow test asks it again


@pytest.fixture
def without_java(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def one(statistics, metric, counts=None):
    n = len(statistics.rouge)
    return float(metric_values(statistics, metric, np.ones((1, n)) if counts is None else np.array([counts]))[0])


def test_bleu_rouge_and_cider_by_hand(without_java):
    """Candidate `the the the cat sat` against `the cat sat down now`: 3 of 5 words clipped, 2 of 4 pairs, 1 of 3 triples."""
    [statistics] = caption_statistics([(["the cat sat down now", "a b c d"], ["the the the cat sat", "a b c d"])])
    first = [1, 0]
    assert one(statistics, "B1", first) == pytest.approx(3 / 5)
    assert one(statistics, "B2", first) == pytest.approx(math.sqrt(3 / 5 * 2 / 4))
    assert one(statistics, "B3", first) == pytest.approx((3 / 5 * 2 / 4 * 1 / 3) ** (1 / 3))
    assert one(statistics, "B1") == pytest.approx(7 / 9)  # of the corpus: sums, not the mean of 3/5 and 1
    precision = recall = 3 / 5  # `the cat sat`
    assert one(statistics, "R", first) == pytest.approx((1 + 1.44) * precision * recall / (recall + 1.44 * precision))
    # Unseen elsewhere, so every n-gram weighs log 2 and the second caption equals its reference: cosine 1, times 10.
    assert one(statistics, "C", [0, 1]) == pytest.approx(10)


def test_a_short_candidate_pays_bleus_brevity_penalty(without_java):
    [statistics] = caption_statistics([(["a b c d e f g h"], ["a b c d"])])
    assert one(statistics, "B4") == pytest.approx(math.exp(1 - 8 / 4))


@pytest.fixture(scope="module")
def with_java():
    """Both sets of captions through the real programs, once."""
    if not has_java():
        pytest.skip("Java is not installed (openjdk-17-jre-headless)")
    equal = (["a man walks", "a man walks"], ["a man walks", "quite unrelated"])
    return caption_statistics([(REFERENCES, CANDIDATES), equal])


def test_meteor_of_equal_and_of_strange_captions(with_java):
    statistics = with_java[1]
    assert one(statistics, "M", [1, 0]) == pytest.approx(1)
    assert one(statistics, "M", [0, 1]) == 0
    assert 0 < one(statistics, "M") < 1


def test_no_process_is_left(with_java):
    children = subprocess.run(["ps", "-o", "comm=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
    assert "java" not in children


def test_every_metric_is_what_pycocoevalcap_computes(with_java):
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    sides = treebank()
    assert [sides[0][n][0] for n in range(5)] == tokenise(REFERENCES)
    ours = {metric: one(with_java[0], metric) for metric in METRICS}
    expected = dict(zip(("B1", "B2", "B3", "B4"), Bleu().compute_score(*sides, verbose=0)[0], strict=True))
    for metric, scorer in {"R": Rouge(), "C": Cider()}.items():
        expected[metric] = float(scorer.compute_score(*sides)[0])
    assert ours == pytest.approx(expected | {"M": METEOR_OF_PACKAGE}, rel=1e-9)


@needs_java
@pytest.mark.slow
def test_the_known_value_of_meteor_is_the_packages():
    from pycocoevalcap.meteor.meteor import Meteor

    assert Meteor().compute_score(*treebank())[0] == METEOR_OF_PACKAGE


def treebank():
    """References and candidates by the package's own tokeniser."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    sides = (REFERENCES, CANDIDATES)
    return [PTBTokenizer().tokenize({n: [{"caption": text}] for n, text in enumerate(side)}) for side in sides]


def test_a_resample_is_the_metric_of_the_drawn_captions(without_java):
    texts = ["a b c d e", "a c b", "f g a b", "h i j"], ["a b c e d", "a b c", "f g b", "h j i k"]
    [whole] = caption_statistics([texts])
    counts = [2, 0, 1, 1]
    drawn = [[side[n] for n, count in enumerate(counts) for _ in range(count)] for side in texts]
    [sample] = caption_statistics([(drawn[0], drawn[1])])
    for metric in ("B1", "B2", "R"):
        assert one(whole, metric, counts) == pytest.approx(one(sample, metric))


def test_without_java_meteor_is_undefined_and_the_rest_is_computed(without_java):
    [statistics] = caption_statistics([(REFERENCES, CANDIDATES)])
    assert statistics.meteor is None
    assert math.isnan(one(statistics, "M"))
    assert all(math.isfinite(one(statistics, metric)) for metric in METRICS if metric != "M")


@needs_java
@pytest.mark.parametrize(
    "caption",
    [
        "That was a forward two and a half somersault, one twist. Tight position, hardly any splash!",
        "it's okay and he's just a little overcooked; they don't like that \"angle\" no",
        "three-and-a-half, seven and a half's I'd think we're there: 64.5 points",
    ],
)
def test_the_rule_without_java_agrees_with_the_treebank_on_commentary(caption):
    assert [plain_tokens(caption)] == tokenise([caption])


def test_bad_input_is_named(monkeypatch, tmp_path):
    with pytest.raises(RescoreError, match="1 of them empty"):
        caption_statistics([(["a", " "], ["a", "b"])])
    with pytest.raises(RescoreError, match="2 captions and 1 references"):
        caption_statistics([(["a"], ["a", "b"])])
    broken = tmp_path / "java"
    broken.write_text("#!/bin/sh\necho UnsupportedClassVersionError >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RescoreError, match=r"(?s)UnsupportedClassVersionError.*openjdk-17-jre-headless"):
        caption_statistics([(["a"], ["a"])])


def test_a_java_program_that_hangs_is_killed(monkeypatch, tmp_path):
    hanging = tmp_path / "java"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(caption_metrics, "TIME_LIMIT", 0.5)
    with pytest.raises(RescoreError, match="timed out"):
        caption_statistics([(["a"], ["a"])])
