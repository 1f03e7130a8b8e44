"""Files of declarations: one reader, whose errors name the entry and what is wrong with it, all of them together."""

import pytest

from rescore.engine.errors import RescoreError
from rescore.scoring.declarations import TEXT, mapping, read_declarations

SCHEMA = {"type": "array", "items": mapping({"id": TEXT, "numbers": {"type": "array", "items": {"type": "number"}}})}


def read(path, **more):
    return read_declarations(path, SCHEMA, "entries", "a.module", **more)


def test_what_is_wrong_is_named_by_entry_together(tmp_path):
    path = tmp_path / "entries.yaml"
    path.write_text("- {id: good, numbers: [1]}\n- {id: bad, numbers: [1, two]}\n- {numbers: []}\n")
    with pytest.raises(RescoreError) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text
    assert "bad entries" in text
    assert "bad, numbers.1: 'two' is not of type 'number'" in text
    assert "entry 3: 'id' is a required property" in text
    assert "a.module" in text
    assert "good" not in text


def test_twins_and_further_problems_are_named(tmp_path):
    path = tmp_path / "entries.yaml"
    path.write_text("- {id: a, numbers: [1]}\n- {id: a, numbers: []}\n")
    with pytest.raises(RescoreError, match=r"(?s)a: two entries with this id.*a: is empty"):
        read(path, further=lambda entry: iter([] if entry["numbers"] else ["is empty"]))
    path.write_text("- {id: a, numbers: [1]}\n")
    assert read(path, further=lambda entry: iter(())) == [{"id": "a", "numbers": [1]}]


@pytest.mark.parametrize("text", ["a: [", None, b"\xff\xfe\x00"])
def test_what_is_no_yaml_is_refused(tmp_path, text):
    path = tmp_path / "entries.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RescoreError, match="not a readable YAML file"):
        read(path)
    path.write_text("3\n")
    with pytest.raises(RescoreError, match="top level: 3 is not of type 'array'"):
        read(path)
