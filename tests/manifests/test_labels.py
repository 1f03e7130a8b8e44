"""Tables of labels as spreadsheets of other languages and systems write them."""

from pathlib import Path

import pytest

from rescore.engine.errors import RescoreError
from rescore.manifests.labels import read_labels

GOOD = "video,split,score\n001.avi,train,84.15\n002.avi,test,50\n"


def read(path: Path, content: str | bytes):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_labels(path, ["video", "split"], ["score"])


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.encode("utf-8-sig"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.rstrip("\n"),
        GOOD + "\n,,\n  \n",
        " video , split,score \n001.avi, train ,84.15\n002.avi,test, 50\n",
        'video,split,score\n"001.avi","train","84.15"\n"002.avi","test",5.0e1\n',
        "video,split,score,,\n001.avi,train,84.15,,\n002.avi,test,50,,\n",
        "sep=,\n" + GOOD,
        "split,score,video\ntrain,84.15,001.avi\ntest,50,002.avi\n",
    ],
)
def test_what_can_only_mean_one_thing_is_read(content, tmp_path):
    table = read(tmp_path / "labels.csv", content)
    assert table[["video", "split", "score"]].to_numpy().tolist() == [
        ["001.avi", "train", 84.15],
        ["002.avi", "test", 50.0],
    ]


def test_text_stays_as_it_is_spelled(tmp_path):
    table = read(tmp_path / "labels.csv", "video,split,score,judge\n007,train,1,NA\n跳水,test,2,\n")
    assert table["video"].tolist() == ["007", "跳水"]
    assert table["judge"].tolist() == ["NA", ""]


BAD = {
    "semicolons": (GOOD.replace(",", ";"), ["separated by semicolons"]),
    "semicolons and decimal commas": (GOOD.replace(",", ";").replace(".15", ",15"), ["semicolons", "points (85.5)"]),
    "tabs": (GOOD.replace(",", "\t"), ["separated by tabs"]),
    "bars": (GOOD.replace(",", "|"), ["separated by bars"]),
    "decimal comma": (GOOD.replace("84.15", "84,15"), ["line 2: 4 cells", "a decimal comma?"]),
    "quoted decimal comma": (GOOD.replace("84.15", '"84,15"'), ["line 2: score is '84,15'; write it with a point"]),
    "thousands": (GOOD.replace("84.15", '"1,084.15"'), ["line 2: score is '1,084.15'"]),
    "empty cells": (
        GOOD.replace("84.15", "").replace("test", " "),
        ["line 2: score is empty", "line 3: split is empty"],
    ),
    "words for no number": (
        GOOD.replace("84.15", "NaN").replace("50", "inf"),
        ["line 2: score is 'NaN'", "line 3: score is 'inf'"],
    ),
    "failed dive": (GOOD.replace("50", "DNF"), ["line 3: score is 'DNF', not a number"]),
    "Latin-1": (GOOD.replace("001", "plongée").encode("latin1"), ["line 2 is not in UTF-8", "CSV UTF-8"]),
    "UTF-16": (GOOD.encode("utf-16"), ["UTF-16"]),
    "a workbook": (b"PK\x03\x04" + bytes(99), ["workbook", "CSV UTF-8"]),
    "an old workbook": (b"\xd0\xcf\x11\xe0" + bytes(99), ["old Excel workbook"]),
    "nothing": ("", ["empty"]),
    "an emptied sheet": (",,,\n,,,\n", ["empty. The first line names the columns"]),
    "an underscore": (GOOD.replace("84.15", "8_4"), ["line 2: score is '8_4', not a number in plain digits"]),
    "digits of another script": (GOOD.replace("50", "٥٠"), ["line 3: score is '٥٠', not a number in plain digits"]),
    "a compressed table": (b"\x1f\x8b" + bytes(99), ["compressed (gzip)"]),
    "Parquet": (b"PAR1" + bytes(99), ["a Parquet file"]),
    "a pointer": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ["git lfs pull"]),
    "a web page": ("\n<!DOCTYPE html><html></html>", ["a web page"]),
    "one byte of no text": (GOOD.encode().replace(b"002", b"0\x002"), ["line 3 has a byte that is no text"]),
    "another name": (GOOD.replace("score", "Scores"), ["no column `score`; is it `Scores`?"]),
    "a column twice": (GOOD.replace("split", "score", 1).replace("video", "video,split", 1), ["two columns `score`"]),
    "no header": ("\n".join(GOOD.splitlines()[1:]), ["no column `video` among 001.avi, train, 84.15"]),
    "a quotation mark": (GOOD.replace("002.avi", '"002.avi'), ["quotation mark"]),
    "a short row": (GOOD.replace(",test,50", ",test"), ["line 3: 2 cells"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_everything_else_is_one_sentence_by_line(kind, tmp_path):
    content, words = BAD[kind]
    with pytest.raises(RescoreError) as caught:
        read(tmp_path / "labels.csv", content)
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "labels.csv"))
    assert all(word in said for word in words), said
    assert "elete" not in said


def test_a_table_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(RescoreError, match="cannot be read"):
            read_labels(path, ["video"], ["score"])
