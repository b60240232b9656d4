"""The committed records of what the vignettes reproduce."""

from pathlib import Path

import pytest

from statinf.vignette import available
from statinf.vignette.reproduced import read_records

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
RECORDS = read_records(FOLDER)
STUDIES = {"r-learner-lightgbm"}  # made by a benchmark


@pytest.mark.skipif(not RECORDS, reason="an installed package has no records")
def test_records_are_of_pages_that_ran_within_a_minute():
    assert {name for name, _ in RECORDS} <= {v.name for v in available()} | STUDIES
    assert not [record.name for record in RECORDS.values() if record.error]
    # seconds of a core shared with others are longer than those of an idle one
    assert not [r.name for r in RECORDS.values() if r.size == "reduced" and r.busy > 75]


@pytest.mark.parametrize("record", RECORDS.values(), ids=lambda r: f"{r.name}, {r.size}")
def test_what_differs_has_a_reason(record):
    assert not [line.claim for line in record.verdicts if not line.holds and not line.reason]
