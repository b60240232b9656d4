"""The page of all races and the plots are made from records alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import races, scoreboard
from benchmarks.race import ours, peers


def record(name, n=None, ours=1.0, peer=2.0, load=0.0, **more):
    machine = {"cores": 2, "processor": "P", "devices": [], "system": "S", "python": "3", "versions": {}, "load": load}
    made = {
        "name": name,
        "peer_name": "other 1.0",
        "ours": ours,
        "peer": peer,
        "ratio": peer / ours,
        "repeat": 3,
        "note": "",
    }
    return {**made, "ours_error": 1e-9, "peer_error": None, "machine": machine, "n": n, **more}


@pytest.fixture
def found(tmp_path):
    sizes = [(10_000, 1.0, 1.0), (1_000_000, 10.0, 100.0)]
    held = [record(f"lm | x, n = {n:,}", n, t, s, family="models", cold=3.0, peer_cold=4.0) for n, t, s in sizes]
    (tmp_path / "races.json").write_text(json.dumps(held))
    (tmp_path / "shift.json").write_text(json.dumps([record("uLSIF, n = 5000", load=30.0)]))
    (tmp_path / "unheard.json").write_text(json.dumps([record("ADWIN, 200,000 rows")]))
    (tmp_path / "coverage.json").write_text(json.dumps({"a": 1}))
    return scoreboard.records(tmp_path)


def test_records_go_to_their_family_with_their_rows(found):
    assert list(found) == ["models", "shift", "other"]
    assert [scoreboard.rows_of(r) for family in found.values() for r in family] == [10_000, 1_000_000, 5000, 200_000]


def test_page_has_every_race_and_marks_machines_in_use(found):
    text = scoreboard.page(found, ["models"])
    assert text.count("| **whole verb** lm \\| x |") == 2
    assert "(results/plots/models.png)" in text
    assert "| uLSIF, n = 5000 | 5,000 | 1 s |  | other 1.0 | 2 s |  | 2 | 1e-09 |  | 1† |" in text.replace(
        "| uLSIF | ", "| uLSIF, n = 5000 | "
    )
    assert "1. 2 cores of P; S; Python 3" in text


def test_slopes_are_exponents_and_drawn(found, tmp_path):
    lines = scoreboard.series(found["models"])
    assert {key[1]: round(scoreboard.slope(*at), 6) for key, at in lines.items()} == {"statinf": 0.5, "other 1.0": 1.0}
    assert scoreboard.draw("models", found["models"], tmp_path)
    assert (tmp_path / "models.png").stat().st_size < 100_000
    assert not scoreboard.draw("shift", found["shift"], tmp_path)


def test_readme_shows_whole_verbs_of_the_largest_size(found):
    text = scoreboard.readme_table(found)
    assert "n = 1,000,000" in text
    assert "| lm | x | 10 s (3 s) | other 1.0 | 10 |" in text
    busy = {"shift": [record("x", 10, load=30.0, file="races")]}
    assert "quiet" in scoreboard.readme_table(busy)


def test_every_race_has_both_sides():
    for race in races.RACES:
        assert hasattr(ours, race.key)
        assert all(hasattr(peers, f"{race.key}__{p}") for p in race.peers if p != "quantreg")


def test_exact_solutions_are_those_of_our_verbs():
    rows = races.Rows(2000)
    for key in ("lm", "logit", "iv"):
        mine, right = getattr(ours, key)(rows), races.exact(key, rows)
        assert right is not None
        np.testing.assert_allclose([mine[name][0] for name in right], list(right.values()), rtol=1e-9, atol=1e-11)
