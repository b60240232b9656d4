"""Random streams, batches and progress: results do not depend on how work is split, and logs stay quiet."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from statinf.backend import chunks, generator, key, progress_bar, rows_per_chunk, x64
from statinf.errors import OptionError


def test_a_stream_is_its_seed_and_its_numbers():
    draws = generator(3, 1, 2).normal(size=5)
    np.testing.assert_array_equal(draws, generator(3, 1, 2).normal(size=5))
    others = [generator(*ids).normal(size=5) for ids in ((3,), (3, 1), (3, 2, 1), (4, 1, 2), (3, 1, 2, 0))]
    assert all(not np.array_equal(draws, other) for other in others)


def test_streams_do_not_touch_numpys_global_state():
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    generator(1).normal(size=3)
    assert np.random.random() == expected  # noqa: NPY002


def test_streams_are_uncorrelated():
    n, streams = 2_000, 40
    draws = np.stack([generator(0, i).normal(size=n) for i in range(streams)])
    correlation = np.corrcoef(draws)[np.triu_indices(streams, 1)]
    # 780 pairs: the largest of as many standard normals over sqrt(n) stays below 5 but for one run in 2,000.
    assert np.abs(correlation).max() < 5 / np.sqrt(n)


def test_replicas_do_not_depend_on_the_chunk():
    def replicas(size: int) -> np.ndarray:
        return np.concatenate(
            [np.stack([generator(7, i).normal(size=3) for i in range(s.start, s.stop)]) for s in chunks(23, size)]
        )

    for size in (1, 4, 23, 100):
        np.testing.assert_array_equal(replicas(size), replicas(5))


def test_keys_follow_the_same_rule():
    import jax

    with x64():
        draws = [np.asarray(jax.random.normal(key(*ids), (4,))) for ids in ((1, 2), (1, 2), (1, 3), (2, 2), (1,))]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert all(not np.array_equal(draws[0], other) for other in draws[2:])
    assert draws[0].dtype == np.float64


@pytest.mark.parametrize("seed", [None, -1, 1.5, "1", True, np.float64(2.0)])
def test_what_is_no_seed(seed):
    with pytest.raises(OptionError, match="seed="):
        generator(seed)
    with pytest.raises(OptionError, match="seed="):
        key(seed)


def test_seeds_of_any_size():
    generator(2**200).normal()
    assert generator(np.int64(4)).normal() == generator(4).normal()
    with pytest.raises(OptionError, match="below 2"):
        key(2**63)


@pytest.mark.parametrize(("total", "size"), [(0, 3), (1, 1), (10, 3), (10, 10), (10, 99)])
def test_chunks_cover_everything_once(total, size):
    slices = list(chunks(total, size))
    assert [i for s in slices for i in range(s.start, s.stop)] == list(range(total))
    assert all(0 < s.stop - s.start <= size for s in slices)


def test_chunks_fit_the_budget():
    assert rows_per_chunk(100.0, 1_000.0) == 10
    assert rows_per_chunk(1e12, 1.0) == 1
    assert rows_per_chunk(0.0, 50.0) == 50
    assert rows_per_chunk(1.0, 1e6, at_most=7) == 7
    assert rows_per_chunk(1.0, 1e6, at_most=0) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_silent_in_logs_and_on_request(monkeypatch):
    for show in (None, False):
        log, out = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stderr", log)
        monkeypatch.setattr(sys, "stdout", out)
        assert list(progress_bar(range(5), label="work", show=show)) == list(range(5))
        assert log.getvalue() == out.getvalue() == ""


def test_progress_asked_for_goes_to_standard_error(monkeypatch):
    log, out = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(sys, "stdout", out)
    assert list(progress_bar(iter("abc"), total=3, label="work", show=True)) == ["a", "b", "c"]
    assert "work" in log.getvalue() and out.getvalue() == ""


def test_short_work_in_a_terminal_shows_nothing(monkeypatch):
    log = Terminal()
    monkeypatch.setattr(sys, "stderr", log)
    list(progress_bar(range(3), label="work"))
    assert "work" not in log.getvalue()


def test_progress_can_be_interrupted():
    def interrupted():
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(progress_bar(interrupted(), show=False))
