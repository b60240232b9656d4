"""Saved results: whole or not at all, and refused by name when damaged."""

from __future__ import annotations

import datetime
import io
import json
import os
import pickle
import random
import stat
import struct
import threading
import zipfile
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

import statinf as si
from results.archives import changed, members_of, signed
from statinf.results import store
from statinf.results.encoding import Decoder, encode

DAMAGED = 500


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("mtcars")


@pytest.fixture(scope="module")
def fit(data):
    return si.lm("mpg ~ wt + C(cyl)", data)


@pytest.fixture
def saved(fit, tmp_path):
    return fit.save(tmp_path / "fit.si")


# --- damage ---------------------------------------------------------------------------------------------------


def test_no_damaged_file_is_read_and_every_refusal_names_it(saved):
    """Bits flipped, pieces cut out, doubled or appended, at any place of the file."""
    whole, draw = saved.read_bytes(), random.Random(1)
    damages = (
        lambda at: whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :],
        lambda at: whole[:at],
        lambda at: whole[:at] + whole[at + 1 + draw.randrange(64) :],
        lambda at: whole[:at] + bytes(draw.randrange(1, 64)) + whole[at:],
        lambda at: whole + whole[at:],
    )
    for trial in range(DAMAGED):
        saved.write_bytes(damages[trial % len(damages)](draw.randrange(len(whole))))
        with pytest.raises(si.DataError, match="fit.si"):
            si.load(saved)


def test_no_crafted_file_ends_in_an_error_of_python(saved):
    """As above, with a digest that fits: the archive's own fields, headers of arrays and the tree are wrong."""
    whole, draw = saved.read_bytes(), random.Random(2)
    refused = 0
    for _ in range(200):
        at = draw.randrange(len(whole) - 90)
        broken = bytearray(whole)
        broken[at] ^= 1 << draw.randrange(8)
        saved.write_bytes(broken)
        with open(saved, "r+b") as file:
            digest = store._digest(file)
            file.seek(-64, os.SEEK_END)
            file.write(digest)
        try:
            si.load(saved)
        except si.DataError as error:
            assert "fit.si" in str(error)
            refused += 1
    assert refused > 150  # the rest hit dates and the like, which change nothing


def test_trees_of_other_types_are_refused_or_harmless(saved):
    """Every node of the tree in turn replaced by a value of another kind."""
    members, draw = members_of(saved), random.Random(3)
    document = json.loads(members["result.json"])

    def places(node):
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, inner in list(pairs):
            yield node, key
            yield from places(inner)

    found = list(places(document))
    for _ in range(200):
        node, key = draw.choice(found)
        kept, node[key] = (
            node[key],
            draw.choice([None, 7, -1.5, "text", [], {}, [[1]], {"!": "array", "key": "array0"}]),
        )
        signed(members | {"result.json": json.dumps(document).encode()}, saved)
        node[key] = kept
        try:
            si.load(saved)
        except si.DataError as error:
            assert "fit.si" in str(error)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("nonsense", 1, "no field 'nonsense'"),
        ("theta", {"!": "nonsense"}, "unknown kind 'nonsense'"),
        ("theta", {"!": "array", "key": "../../array0"}, "KeyError"),
        ("theta", {"!": "array", "key": ["array0"]}, "not those of a saved result"),
        ("df_resid", {"!": "scalar", "dtype": "<f8", "value": "x"}, "as a number"),
        ("df_resid", {"!": "scalar", "dtype": "|O", "value": 1}, "as a number"),
        ("cov", {"!": "record", "class": "statinf.cli.__main__:main", "fields": {}}, "does not have"),
        ("cov", {"!": "record", "class": "statinf.cli:main", "fields": {}}, "does not have"),
        ("cov", {"!": "record", "class": "statinf.nothing:Thing", "fields": {}}, "does not have"),
        ("cov", {"!": "record", "class": "statinf..os:system", "fields": {}}, "does not have"),
        ("cov", {"!": "record", "class": "os:system", "fields": {}}, "outside statinf"),
        ("cov", {"!": "record", "class": 7, "fields": {}}, "not those of a saved result"),
    ],
)
def test_wrong_types_unknown_classes_and_fields(saved, field, value, said):
    with pytest.raises(si.DataError, match=f"(?s)fit.si.*{said}"):
        si.load(changed(saved, lambda fields: fields.update({field: value})))


@pytest.mark.parametrize("member", ["result.json", "array0.npy"])
def test_a_member_edited_with_other_tools_is_refused(saved, member):
    """A value of another type or another dtype in an archive that is otherwise sound."""
    members = members_of(saved)
    edits = {
        "result.json": lambda b: b.replace(b'"mpg ~ ', b'"qsec ~'),
        "array0.npy": lambda b: b.replace(b"<f8", b"<i8") if b"<f8" in b else b.replace(b"<i8", b"<f8"),
    }
    edited = edits[member](members[member])
    assert edited != members[member]
    with zipfile.ZipFile(saved, "w") as archive:
        for name, content in (members | {member: edited}).items():
            archive.writestr(name, content)
    with pytest.raises(si.DataError, match="fit.si is not a saved result"):
        si.load(saved)


def test_fields_that_older_files_lack(fit, tmp_path):
    both = si.joint(fit, fit, names=["a", "b"])
    read = si.load(
        changed(both.save(tmp_path / "both.si"), lambda fields: (fields.pop("names"), fields.pop("weighted")))
    )
    assert read.with_vcov("HC0").terms == both.terms


def test_missing_fields_and_other_things_than_results(saved):
    with pytest.raises(si.DataError, match="'theta' of .* is missing"):
        si.load(changed(saved, lambda fields: fields.pop("theta")))
    tree = encode(si.lm("mpg ~ wt", si.datasets.load("mtcars")).cov, arrays := {})
    members = {"result.json": json.dumps({"format": store.FORMAT, "result": tree})}
    for name, array in arrays.items():
        np.save(buffer := io.BytesIO(), array)
        members[f"{name}.npy"] = buffer.getvalue()
    with pytest.raises(si.DataError, match="holds a Covariance, which is no result"):
        si.load(signed(members, saved))


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_deep_nesting(saved, depth):
    members = members_of(saved) | {"result.json": b'{"format": 3, "result": ' + b"[" * depth + b"]" * depth + b"}"}
    with pytest.raises(si.DataError, match="fit.si"):
        si.load(signed(members, saved))
    nested = '{"!":"list","items":[' * depth + "]}" * depth
    members["result.json"] = f'{{"format": 3, "result": {nested}}}'.encode()
    with pytest.raises(si.DataError, match="fit.si"):
        si.load(signed(members, saved))


def array_file(shape, dtype="<f8", content=b"\0" * 24):
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


@pytest.mark.parametrize(
    "content",
    [
        array_file((962_072_674_304,)),
        array_file((0, 2**62), content=b""),
        array_file((2**40, 2**40, 2**40)),
        array_file((-3,)),
        array_file((2,)),
        array_file((4,)),
        array_file((3,), "|O"),
        array_file((3,), "<U0"),
        array_file((3,), [("a", "<f8")]),
        array_file("x"),
        b"\x93NUMPY\x03\x00",
        b"nonsense",
        b"",
    ],
    ids=range(13),
)
def test_arrays_that_claim_what_they_do_not_have(saved, content):
    """The first claims 7 TiB: it is refused before memory is asked for."""
    with pytest.raises(si.DataError, match="fit.si"):
        si.load(signed(members_of(saved) | {"array0.npy": content}, saved))


def test_members_without_use_compressed_or_doubled_are_refused(saved):
    members = members_of(saved)
    with pytest.raises(si.DataError, match="'array99.npy' belongs to nothing"):
        si.load(signed(members | {"array99.npy": members["array0.npy"]}, saved))
    bomb = members | {"array99.npy": array_file((10**6,), "|u1", bytes(10**6))}
    with pytest.raises(si.DataError, match="compressed"):
        si.load(signed(bomb, saved, compression=zipfile.ZIP_DEFLATED))
    signed(members, saved)
    twice = {"!": "array", "key": "array0"}
    with pytest.raises(si.DataError, match="KeyError"):
        si.load(
            changed(saved, lambda fields: fields.update(theta=twice, facts={"!": "mapping", "items": [["x", twice]]}))
        )


def test_another_format_is_named(saved):
    whole = saved.read_bytes()
    saved.write_bytes(whole.replace(f"statinf {store.FORMAT} sha256".encode(), b"statinf 7 sha256"))
    with pytest.raises(si.DataError, match=f"saved in format 7; this version reads format {store.FORMAT}"):
        si.load(saved)


# --- places ---------------------------------------------------------------------------------------------------


def test_only_files_are_read(fit, tmp_path):
    for path, said in ((tmp_path / "none.si", "no file .*none.si"), (tmp_path, "is no file")):
        with pytest.raises(si.DataError, match=said):
            si.load(path)
    for path in (3, None, "a\0b"):
        with pytest.raises(si.OptionError, match="path="):
            si.load(path)
        with pytest.raises(si.OptionError, match="path="):
            fit.save(path)
    with pytest.raises(si.OptionError, match="context="):
        si.load(fit.save(tmp_path / "fit.si"), context=3)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_links_pipes_devices_and_folders_stay_what_they_are(fit, tmp_path):
    target, link, pipe, folder = (tmp_path / name for name in ("target", "link", "pipe", "folder"))
    target.write_text("precious")
    link.symlink_to(target)
    os.mkfifo(pipe)
    folder.mkdir()
    for path, said in ((link, "symbolic link"), (pipe, "device or pipe"), (folder, "folder"), ("/dev/null", "device")):
        with pytest.raises(si.DataError, match=f"{path} is a {said}"):
            fit.save(path)
    assert target.read_text() == "precious" and link.is_symlink() and stat.S_ISFIFO(os.lstat(pipe).st_mode)
    with pytest.raises(si.DataError, match="is no file"):
        si.load(pipe)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(si.DataError, match="symbolic link"):
        fit.save(tmp_path / "dangling")


def test_a_folder_that_is_missing_is_named(fit, tmp_path):
    with pytest.raises(si.DataError, match=f"the folder {tmp_path / 'results'} does not exist"):
        fit.save(tmp_path / "results" / "fit.si")
    (tmp_path / "file").write_text("")
    with pytest.raises(si.DataError, match="the folder .*file does not exist"):
        fit.save(tmp_path / "file" / "fit.si")
    with pytest.raises(si.DataError, match="cannot be written"):
        fit.save(tmp_path / ("long" * 100))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_permissions_are_those_of_any_new_file_or_of_the_file_before(fit, tmp_path):
    (tmp_path / "other").touch()
    path = fit.save(tmp_path / "fit.si")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    path.chmod(0o600)
    assert stat.S_IMODE(fit.save(path).stat().st_mode) == 0o600


def test_a_failed_save_leaves_the_file_before_it_and_nothing_else(fit, saved, monkeypatch):
    before = saved.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(si.DataError, match="fit.si cannot be written: No space left"):
        fit.save(saved)
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


def test_many_writers_of_one_name_do_not_disturb_each_other(fit, tmp_path):
    path, failures = tmp_path / "fit.si", []
    fits = [replace(fit, theta=fit.theta + i) for i in range(4)]

    def write(one):
        try:
            for _ in range(10):
                one.save(path)
                read = si.load(path).theta
                assert any((read == f.theta).all() for f in fits)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(one,)) for one in fits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and list(tmp_path.iterdir()) == [path]


# --- what comes back ------------------------------------------------------------------------------------------


def there_and_back(value):
    arrays = {}
    return Decoder(arrays.pop, {})(json.loads(json.dumps(encode(value, arrays))))


@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.1), np.float32(0.1), np.int64(2**62), np.uint8(7), np.bool_(True), np.str_("é"), np.float64("inf"),
        np.complex128(1 + 2j), np.datetime64("2020-02-03", "ns"), np.longdouble("0.1"), True, 3, 0.1, "ß", None,
        (1, "a"), [1.5, None], frozenset({"a", "b"}), {("a", 1): [2]}, slice(None, 3), slice(2, 5),
        datetime.date(2020, 2, 3), datetime.datetime(2020, 2, 3, 4, 5), pd.Timestamp("2020-02-03 04:05:06.123456789"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_keep_their_type(value):
    back = there_and_back(value)
    assert type(back) is type(value) and back == value


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3).T, np.empty((0, 3)), np.array(["a", "bc"]), np.array([(1, 2), None], dtype=object),
     np.array([[1, "a"], [None, 2.5]], dtype=object), np.array(3.0), np.array(["2020-01-01"], "M8[D]")],
    ids=range(7),
)  # fmt: skip
def test_arrays_keep_shape_type_and_objects(array, fit, tmp_path):
    back = there_and_back(array)
    assert back.dtype == array.dtype and back.shape == array.shape and (back == array).all()
    stored = si.load(replace(fit, facts={"x": array}).save(tmp_path / "x.si")).facts["x"]
    assert stored.dtype == array.dtype and (stored == array).all() and stored.flags.writeable


def test_what_cannot_be_saved_is_named(fit, tmp_path):
    @dataclass
    class Elsewhere:
        x: int = 1

    with pytest.raises(si.DataError, match="holds a Decimal"):
        import decimal

        replace(fit, citation=decimal.Decimal(1)).save(tmp_path / "fit.si")
    with pytest.raises(si.DataError, match="outside statinf"):
        si.load(replace(fit, citation=Elsewhere()).save(tmp_path / "fit.si"))


def test_the_same_result_makes_the_same_bytes(fit, tmp_path):
    assert fit.save(tmp_path / "a").read_bytes() == fit.save(tmp_path / "b").read_bytes()


def test_a_function_of_the_caller_outlives_two_savings(data, tmp_path):
    def halve(x):
        return x / 2

    fit = si.lm("mpg ~ halve(wt)", data, context={"halve": halve})
    twice = si.load(fit.save(tmp_path / "a")).save(tmp_path / "b")
    with pytest.raises(si.StatinfError, match="context"):
        si.load(twice).predict(data)
    pd.testing.assert_frame_equal(si.load(twice, context={"halve": halve}).predict(data), fit.predict(data))


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
@pytest.mark.parametrize("inference", ["random-scaling", "multiplier", "plugin", "batch-means", "hac"])
def test_a_stream_goes_on_after_a_saving(inference, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=1200)}).assign(y=lambda d: 1 + d.x + rng.normal(size=1200))
    first = si.lsa("y ~ x", frame[:800], replicas=200, inference=inference, expected_rows=1200)
    loaded = si.load(first.save(tmp_path / "fit.si"))
    for other in (loaded, pickle.loads(pickle.dumps(first))):
        pd.testing.assert_frame_equal(other.update(frame[800:]).tidy(), first.update(frame[800:]).tidy())


# --- digits ---------------------------------------------------------------------------------------------------


def test_other_covariances_of_a_saved_fit_keep_their_digits(tmp_path):
    """Two covariates of mean 1e8: a covariance's square root has digits of predictions that the matrix has lost."""
    draw = np.random.default_rng(0)
    data = pd.DataFrame({"x": 1e8 + draw.normal(size=60), "z": 1e8 + draw.normal(size=60)})
    data["y"] = data.x - data.z + draw.normal(size=60)
    fit = si.lm("y ~ x + z", data)
    back = si.load(fit.save(tmp_path / "fit.si"))
    for kind in ("iid", "HC0", "HC1", "HC2", "HC3"):
        before, after = (f.with_vcov(kind).predict(data, interval="confidence") for f in (fit, back))
        np.testing.assert_array_equal(after["std_error"], before["std_error"])
        assert back.with_vcov(kind).cov.label == fit.with_vcov(kind).cov.label
    booted = fit.bootstrap(99, seed=1)
    again = si.load(booted.save(tmp_path / "boot.si"))
    pd.testing.assert_frame_equal(
        again.predict(data, interval="confidence"), booted.predict(data, interval="confidence")
    )
