import collections
import datetime
import decimal
import fractions
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.sources.pickles import load_object_array, load_pickle


class Call:
    """Pickles to a call of any function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(6))
def test_plain_containers_numbers_and_text_are_read(protocol, tmp_path):
    value = {("a", 1): [1.5, None, True, -(2**70)], "set": {1, 2}, "ordered": collections.OrderedDict(x=(1, 2))}
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert load_pickle(path) == value


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_scalars_are_read(protocol, tmp_path):
    value = {"array": np.arange(6, dtype=np.float32).reshape(2, 3), "scalar": np.float64(2.5), "dtype": np.dtype("i4")}
    path = tmp_path / "arrays.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    read = load_pickle(path)
    np.testing.assert_array_equal(read["array"], value["array"])
    assert (read["scalar"], read["dtype"]) == (2.5, np.dtype("i4"))


HARMLESS = {
    "bytes": b"\x00\xff dive",
    "bytearray": bytearray(b"\x00\xff"),
    "default": collections.defaultdict(list, {"01": [85.5]}),
    "counted": collections.Counter("abca"),
    "queue": collections.deque([1, 2], 5),
    "day": datetime.datetime(2016, 8, 20, 16, 0, tzinfo=datetime.UTC),
    "length": datetime.timedelta(seconds=4.1),
    "points": decimal.Decimal("85.50"),
    "share": fractions.Fraction(1, 3),
    "sets": {frozenset({1, 2}), frozenset()},
    "complex": 1 + 2j,
    "rows": range(3, 9),
    "part": slice(1, None, 2),
    "text": "Sprung vom 10-m-Turm, 跳水",
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_values_are_read_in_every_protocol(name, protocol, tmp_path):
    path = tmp_path / "labels.pkl"
    path.write_bytes(pickle.dumps({"label": HARMLESS[name]}, protocol))
    read = load_pickle(path)["label"]
    assert read == HARMLESS[name]
    assert type(read) is type(HARMLESS[name])


ARRAYS = {
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "text": np.array(["tuck", "pike"]),
    "bytes": np.array([b"a", b"bc"]),
    "objects": np.array([["a", 1], [None, 2.5]], dtype=object),
    "fields": np.array([(1, 2.5)], dtype=[("dive", "i4"), ("score", "f8")]),
    "dates": np.array(["2016-08-20"], dtype="datetime64[D]"),
    "empty": np.zeros((0, 3)),
    "strided": np.arange(10)[::3],
    "scalar_of_text": np.array(["x"])[0],
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_every_kind_are_read_in_every_protocol(name, protocol, tmp_path):
    path = tmp_path / "labels.pkl"
    path.write_bytes(pickle.dumps(ARRAYS[name], protocol))
    np.testing.assert_array_equal(load_pickle(path), ARRAYS[name])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "table", [pd.DataFrame({"score": [85.5]}), pd.Series([1.0]), pd.Timestamp("2016-08-20"), pd.Index(["a"])], ids=str
)
def test_a_table_of_pandas_is_refused_with_the_way_to_write_it(table, protocol, tmp_path):
    path = tmp_path / "labels.pkl"
    path.write_bytes(pickle.dumps({"table": table}, protocol))
    with pytest.raises(RescoreError, match=r"labels.pkl: a pickle of pandas .*`to_csv`") as caught:
        load_pickle(path)
    assert "elete" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        b"\x80\x02c_codecs\ndecode\nX\x01\x00\x00\x00a\x85R.",
        b"\x80\x02X\x04\x00\x00\x00a.pkQ.",
        b"\x80\x02ccopyreg\n_reconstructor\ncbuiltins\nobject\ncbuiltins\nobject\nN\x87R.",
    ],
    ids=["another encoding", "decode", "persistent", "any object"],
)
def test_the_makers_of_harmless_values_make_nothing_else(content, tmp_path):
    path = tmp_path / "labels.pkl"
    path.write_bytes(content)
    with pytest.raises(RescoreError, match=r"labels\.pkl: "):
        load_pickle(path)


def test_a_pickle_of_python_2_is_read(tmp_path):
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\n"
        b"dtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x07\xfftb."
    )
    (tmp_path / "two.pkl").write_bytes(array)
    assert load_pickle(tmp_path / "two.pkl").tolist() == [7, 255]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (lambda witness: Call(os.system, f"touch {witness}"), "system"),
        (lambda witness: Call(eval, f"open({str(witness)!r}, 'w')"), "eval"),
        (lambda witness: Call(getattr, witness, "touch"), "getattr"),
        (lambda witness: Call(np.save, str(witness), np.zeros(3)), "save"),
        (lambda witness: Call(np.fromfile, "/etc/hostname"), "fromfile"),
        (lambda witness: Call(Path, "/etc/passwd"), "Path"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_runs_nothing_and_is_named(value, name, protocol, tmp_path):
    witness, path = tmp_path / "witness", tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(["harmless", value(witness)], protocol))
    with pytest.raises(RescoreError) as caught:
        load_pickle(path)
    assert str(path) in str(caught.value)
    assert name in str(caught.value)
    assert not witness.exists()


def test_an_attribute_of_an_admitted_object_is_refused(tmp_path):
    path = tmp_path / "dotted.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
    with pytest.raises(RescoreError, match=r"numpy\.ndarray\.tofile"):
        load_pickle(path)


def test_a_malicious_object_array_runs_nothing(tmp_path):
    witness, path = tmp_path / "witness", tmp_path / "bad.npy"
    array = np.empty(1, object)
    array[0] = Call(os.system, f"touch {witness}")
    np.save(path, array, allow_pickle=True)
    with pytest.raises(RescoreError, match="system"):
        load_object_array(path)
    assert not witness.exists()


def test_damaged_files_are_errors(tmp_path):
    good, path = pickle.dumps([1, 2, "three"] * 10, 3), tmp_path / "damaged.pkl"
    for content in (b"", good[: len(good) // 2], b"\xff" * 50, b"no pickle"):
        path.write_bytes(content)
        with pytest.raises(RescoreError, match="not a readable pickle"):
            load_pickle(path)
    with pytest.raises(RescoreError, match="no such file"):
        load_pickle(tmp_path / "missing.pkl")
    (tmp_path / "itself.pkl").symlink_to("itself.pkl")
    for unreadable in (tmp_path, tmp_path / "itself.pkl"):
        with pytest.raises(RescoreError, match="cannot be read"):
            load_pickle(unreadable)


def test_damaged_arrays_are_errors(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.arange(100.0))
    np.testing.assert_array_equal(load_object_array(path), np.arange(100.0))
    content = path.read_bytes()
    brackets = content.replace(b"'<f8'", b"((((('")
    endless = content.replace(b"(100,), }   ", b"(9999999999999,), }")[: len(content)]
    for damaged in (b"", content[:20], content[:300], b"PK" + content[2:], brackets, endless):
        path.write_bytes(damaged)
        with pytest.raises(RescoreError, match=r"not a readable \.npy"):
            load_object_array(path)
    with pytest.raises(RescoreError, match="no such file"):
        load_object_array(tmp_path / "missing.npy")


def test_an_array_that_is_not_what_its_header_announces_is_an_error(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.array([[1, "a"], [2, "b"]], dtype=object), allow_pickle=True)
    assert load_object_array(path).tolist() == [[1, "a"], [2, "b"]]
    path.write_bytes(path.read_bytes().replace(b"(2, 2)", b"(9, 2)"))
    with pytest.raises(RescoreError, match="header announces"):
        load_object_array(path)


def test_every_pickle_and_object_array_of_the_mirror_is_read():
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    mirror = Path(os.environ["RESCORE_MIRROR"])
    pickles, arrays = sorted(mirror.rglob("*.pkl")), sorted(mirror.rglob("*.npy"))
    assert len(pickles) >= 17
    assert all(len(load_pickle(path)) > 0 for path in pickles)
    shapes = {path.name: load_object_array(path).shape for path in arrays}
    assert shapes["all_train_v2.npy"] == (3, 300)
    assert shapes["all_test_v2.npy"] == (3, 70)
    assert shapes["tcn_output2.npy"] == (370, 160, 5)
