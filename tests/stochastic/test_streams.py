import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import statinf as si

# Short runs are meant here; what warns, and when, is tested in test_bad_input.
pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")

N = 9000
FORMULA = "y ~ x1 + log(x2) + g"


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(1)
    g = rng.choice(list("abc"), N)
    x1, x2 = rng.normal(size=N), rng.uniform(1, 3, N)
    y = 1 + x1 + 2 * np.log(x2) + (g == "c") + rng.normal(size=N)
    return pd.DataFrame({"y": y, "x1": x1, "x2": x2, "g": g, "unused": "text", "w": rng.uniform(0.5, 1.5, N)})


def frames(frame, size):
    return (frame[i : i + size] for i in range(0, len(frame), size))


def same(a, b):
    assert np.array_equal(a.theta, b.theta)
    assert np.array_equal(a.std_errors, b.std_errors)
    for name in a.covariances:
        assert np.array_equal(a.covariances[name], b.covariances[name]), name


OPTIONS = {"replicas": 90, "inference": ("multiplier", "hac", "random-scaling", "batch-means")}


@pytest.fixture(scope="module")
def whole(frame):
    return si.lsa(FORMULA, frame, **OPTIONS)


@pytest.mark.parametrize("size", [137, 4000])
def test_an_iterator_of_frames_is_one_pass(frame, whole, size):
    same(si.lsa(FORMULA, frames(frame, size), expected_rows=N, **OPTIONS), whole)


def test_a_list_of_polars_frames(frame, whole):
    parts = [pl.from_pandas(f) for f in frames(frame, 2500)]
    same(si.lsa(FORMULA, parts, expected_rows=N, **OPTIONS), whole)


def test_parquet_file_directory_dataset_duckdb_and_lazy_frame(frame, whole, tmp_path):
    import duckdb

    folder = tmp_path / "parts"
    folder.mkdir()
    for i, part in enumerate(frames(frame, 3100)):
        part.to_parquet(folder / f"part{i}.parquet")
    frame.to_parquet(tmp_path / "all.parquet", row_group_size=1000)
    sources = [
        str(tmp_path / "all.parquet"), folder, ds.dataset(folder), pl.scan_parquet(tmp_path / "all.parquet"),
        duckdb.sql(f"select * from '{tmp_path / 'all.parquet'}'"), ds.dataset(folder).scanner().to_reader(),
    ]  # fmt: skip
    for source in sources:
        same(si.lsa(FORMULA, source, expected_rows=N, **OPTIONS), whole)


def test_update_equals_one_pass(frame):
    options = {"step": {"c0": 0.2, "k0": 50}, "burn_in": 1000, "replicas": 70, "inference": ("multiplier", "hac")}
    once = si.lsa(FORMULA, frame, **options)
    fit = si.lsa(FORMULA, frame[:2000], **options)
    first = fit.theta.copy()
    later = fit.update(frame[2000:2111]).update(frames(frame[2111:], 1999))
    same(later, once)
    assert later.nobs == N and np.array_equal(fit.theta, first)


def test_saved_fit_resumes_bit_for_bit(frame, tmp_path):
    fit = si.lsa(FORMULA, frame[:3333], weights="w", replicas=70, inference=("multiplier", "hac", "batch-means"))
    again = si.load(fit.save(tmp_path / "fit.si"))
    same(again, fit)
    same(again.update(frame[3333:]), fit.update(frame[3333:]))


def test_saved_fit_does_not_grow_with_rows(frame, tmp_path):
    sizes = [si.lsa("y ~ x1", frame[:n], replicas=64).save(tmp_path / f"{n}.si").stat().st_size for n in (1000, 9000)]
    assert sizes[1] < 1.3 * sizes[0]


def test_missing_rows_of_a_stream_are_counted(frame):
    holes = frame.copy()
    holes.loc[[5, 4000, 8000], "x1"] = np.nan
    holes.loc[7000, "y"] = np.nan
    with pytest.warns(si.StatinfWarning, match="left out"):
        fit = si.lsa("y ~ x1", frames(holes, 1000), expected_rows=N, replicas=0)
    assert fit.nobs == N - 4 and sum(fit.dropped.values()) == 4
    with pytest.raises(si.DataError, match="na_action"):
        si.lsa("y ~ x1", frames(holes, 1000), expected_rows=N, replicas=0, na_action="raise")


def test_a_level_that_appears_late_names_the_way_out(frame):
    late = frame.copy()
    late.loc[late.index[-3000::10], "g"] = "z"
    with pytest.raises(si.DataError, match=r"level 'z'.*levels="):
        si.lsa(FORMULA, frames(late, 1000), expected_rows=N, replicas=0)
    fit = si.lsa(FORMULA, frames(late, 1000), expected_rows=N, replicas=0, levels={"g": ["a", "b", "c", "z"]})
    assert fit.terms[-1] == "g[T.z]"


def test_update_refuses_an_unknown_level(frame, whole):
    with pytest.raises(si.DataError, match="level 'q'"):
        whole.update(frame[:10].assign(g="q"))


def test_weights_of_streams_and_updates(frame):
    fit = si.lsa("y ~ x1", frames(frame, 1000), weights="w", expected_rows=N, replicas=0)
    assert np.array_equal(fit.theta, si.lsa("y ~ x1", frame, weights="w", replicas=0).theta)
    with pytest.raises(si.OptionError, match="column name"):
        si.lsa("y ~ x1", frames(frame, 1000), weights=np.ones(N))
    given = si.lsa("y ~ x1", frame[:5000], weights=frame["w"][:5000].to_numpy(), replicas=0)
    with pytest.raises(si.DataError, match="weights"):
        given.update(frame[5000:])
    assert given.update(frame[5000:], weights=frame["w"][5000:].to_numpy()).nobs == N


def test_the_path_lies_at_the_same_rows_however_they_arrived(frame, whole):
    path = si.lsa(FORMULA, frames(frame, 137), expected_rows=N, **OPTIONS).path()
    pd.testing.assert_frame_equal(path, whole.path())
    assert path["rows"].max() == N and (path["conf_low"] < path["conf_high"]).all()


def test_progress_bar_shows_rows_and_width(frame, capsys):
    si.lsa("y ~ x1", frame, replicas=0, progress=True)
    shown = capsys.readouterr().err
    assert "rows" in shown
    si.lsa("y ~ x1", frame, replicas=0, progress=False)
    assert capsys.readouterr().err == ""


PIECES = {
    "mappings of arrays": lambda f: ({c: f[c].to_numpy() for c in ("y", "x1")} for f in frames(f, 400)),
    "single rows": lambda f: ({"x1": float(r.x1), "y": float(r.y)} for r in f.itertuples()),
    "record batches": lambda f: (pa.RecordBatch.from_pandas(part) for part in frames(f, 700)),
    "empty frames between": lambda f: (part for whole in frames(f, 900) for part in (whole[:0], whole)),
}


@pytest.mark.parametrize("name", list(PIECES))
def test_pieces_of_a_stream_are_one_pass(frame, name):
    part = frame[:2000]
    made = si.lsa("y ~ x1", PIECES[name](part), expected_rows=len(part), replicas=0)
    assert np.array_equal(made.theta, si.lsa("y ~ x1", part, replicas=0).theta)


def test_a_table_and_its_updates_are_one_pass_where_the_rows_in_all_are_told(frame):
    once = si.lsa(FORMULA, frame, replicas=70)
    fit = si.lsa(FORMULA, frame[:4000], replicas=70, expected_rows=N)
    same(fit.update(frame[4000:4100]).update(frame[4100:]), once)
    row = {name: frame[name].iloc[4000] for name in ("y", "x1", "x2", "g")}
    assert fit.update(row).nobs == 4001


def test_chunks_with_nothing_to_use(frame):
    fit, more = si.lsa(FORMULA, frame[:4000], replicas=0, expected_rows=N), frame[4000:4200]
    for empty in (more[:0], pd.DataFrame(columns=list(frame)), iter([])):
        assert np.array_equal(fit.update(empty).theta, fit.theta)
    for gaps in (np.nan, None):
        with pytest.warns(si.StatinfWarning, match="200: a covariate is missing"):
            assert fit.update(more.assign(x1=gaps)).nobs == 4000
    with pytest.raises(si.DataError, match="'x1' is not in the data"):
        fit.update(more.drop(columns="x1"))
    with pytest.raises(si.DataError, match="do not have the same columns: 'x1'"):
        si.lsa("y ~ x1", iter([{"x1": 1.0, "y": 2.0}, {"y": 2.0}]))
    with pytest.raises(si.OptionError, match="weights='w' is a name"):
        fit.update(more, weights="w")
    with pytest.raises(si.DataError, match="1 averaged rows cannot identify 2 coefficients"):
        si.lsa("y ~ x1", frame[:1], replicas=0)
