"""Content of a page is what is left without run times and devices; any other file is its bytes."""

import hashlib

from rescore.engine.measured import content_digest, without_measured

PAGE = "<p>rho 0.5</p><p><!--measured-->12 s on a\nmachine<!--/measured--></p><!--measured-->x<!--/measured-->"


def test_marks_and_what_is_between_go():
    assert without_measured(PAGE) == "<p>rho 0.5</p><p></p>"


def test_equal_pages_of_different_runs_have_one_digest(tmp_path):
    first, second, third = (tmp_path / f"{name}.html" for name in ("first", "second", "third"))
    first.write_text(PAGE)
    second.write_text(PAGE.replace("12 s", "999 s"))
    third.write_text(PAGE.replace("0.5", "0.6"))
    assert content_digest(first) == content_digest(second) != content_digest(third)


def test_other_files_are_their_bytes(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes(PAGE.encode() + b"\xff")
    assert content_digest(table) == hashlib.sha256(table.read_bytes()).hexdigest()


def test_a_page_that_is_not_text_has_a_digest(tmp_path):
    page = tmp_path / "page.html"
    page.write_bytes(b"<p>\xff\xfe</p>")
    assert len(content_digest(page)) == 64
