"""Whatever a synthetic number is, even the printed one itself: it never earns a verdict on a paper."""

import itertools

import pytest

from rescore.reporting.tables import verdict
from rescore.reporting.wording import PROTOCOLS, TABLES, VIDEOS

SOURCES = ("aqa7_videos", "mtl_aqa_videos", "pretraining_videos")
OFFICIAL = dict.fromkeys(SOURCES, "official")
EQUAL = {
    "row": "A row",
    "column": "A column",
    "reported": "0.5",
    "reproduced": "0.5",
    "low": "0.4",
    "high": "0.6",
    "seeds": "3",
}


def judged(table, settings, **more):
    return {verdict(TABLES[table], {**EQUAL, "protocol": protocol, **more}, settings)[0] for protocol in PROTOCOLS}


@pytest.mark.parametrize("table", list(TABLES))
def test_synthetic_never_earns_a_verdict(table):
    synthetic = dict.fromkeys(SOURCES, "synthetic")
    for scale, inside in itertools.product(("demo", "smoke", "paper"), (True, False)):
        more = {} if inside else {"low": "0.8", "high": "0.9", "reproduced": "0.85"}
        found = judged(table, {"scale": scale, "sources": synthetic}, **more)
        assert found <= {"not comparable", "not run"}


@pytest.mark.parametrize("table", [name for name, table in TABLES.items() if not table.characteristics])
def test_one_synthetic_source_of_its_own_is_enough(table):
    assert "reproduced" in judged(table, {"scale": "paper", "sources": OFFICIAL})
    mine = VIDEOS.get(TABLES[table].paper, "aqa7_videos")
    for source in (mine, "pretraining_videos"):
        found = judged(table, {"scale": "paper", "sources": OFFICIAL | {source: "synthetic"}})
        assert not found & {"reproduced", "differs"}
