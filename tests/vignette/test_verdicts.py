"""Verdicts on a page, and the page of all of them."""

import json
from dataclasses import replace

import pytest

from statinf.optional import MissingPackageError
from statinf.vignette import Verdicts, verdict
from statinf.vignette.effort import growth
from statinf.vignette.reproduced import is_current, read_records, record_of, sources
from statinf.vignette.reproduced_page import write_page
from statinf.vignette.verdicts import MIME, found_in

PAGE = """---
title: Small
description: A page of Nobody (2020)
---

```{python}
from statinf.vignette import Verdicts, verdict, size

Verdicts([verdict("two", 1 + 1, 1 + 1 == 2, paper=2), verdict("a | b", size(), False, reason="it is a name")])
```
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.qmd"
    path.write_text(PAGE)
    return sources(str(path))[0]


def test_a_table_leaves_out_columns_that_no_line_fills():
    table = Verdicts([verdict("a", 1.5, True), verdict("b", "x", False, reason="noise")]).to_frame()
    assert list(table.columns) == ["here", "verdict", "why"]
    assert list(table["verdict"]) == ["holds", "differs"]
    assert list(Verdicts([]).to_frame().columns) == ["here", "verdict"]


def test_verdicts_are_read_back_from_outputs():
    shown = Verdicts([verdict("a <b>", 1, True, paper=".95", tolerance="3 errors")])
    bundle = shown._repr_mimebundle_()
    assert "&lt;b&gt;" in bundle["text/html"]
    json.dumps(bundle[MIME])
    assert found_in([{"data": bundle}, {"data": {"text/plain": "1"}}, {"output_type": "stream"}]) == list(shown.lines)


def test_a_run_becomes_a_record_and_a_page(small, tmp_path):
    record = record_of(small, "smoke")
    assert (record.error, [line.holds for line in record.verdicts]) == ("", [True, False])
    assert record.verdicts[1].ours == "smoke"
    assert record.busy > 0.1, "the kernel's processor time is not counted"
    record.save(tmp_path)
    known = read_records(tmp_path)
    assert known == {("small", "smoke"): record}
    assert is_current(record, small)
    page = write_page(tmp_path, known.values()).read_text()
    assert "1 runs, 2 claims: 1 hold, 1 differ." in page
    assert "A page of Nobody (2020)" in page
    assert "| a \\| b |  | smoke |  | **differs** | it is a name |" in page
    small.path.write_text(PAGE.replace("1 + 1, 1", "1 +  1,  # a comment\n1") + "\nMore.\n")
    assert is_current(record, small)
    small.path.write_text(PAGE.replace("1 + 1, 1", "1 + 2, 1"))
    assert not is_current(record, small)


def test_a_run_that_fails_is_a_record_too(small, tmp_path):
    small.path.write_text(PAGE.replace("1 + 1, 1", "1 / 0, 1"))
    record = record_of(small, "smoke")
    assert "ZeroDivisionError" in record.error
    assert not is_current(record, small)
    assert "**The run failed:**" in write_page(tmp_path, [record]).read_text()


def test_a_missing_package_makes_no_record(small, monkeypatch):
    def execute(*_, **__):
        raise MissingPackageError("nbformat is not installed")

    monkeypatch.setattr("statinf.vignette.reproduced.execute", execute)
    with pytest.raises(MissingPackageError):
        record_of(small, "smoke")


def test_the_command_resumes(small, tmp_path, capsys, monkeypatch):
    from statinf.cli import main

    monkeypatch.setenv("STATINF_VIGNETTE", "smoke")
    words = ["reproduce", str(small.path), "--all", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "running small" in capsys.readouterr().err
    assert main(words) == 0
    assert "running" not in capsys.readouterr().err
    assert (tmp_path / "out" / "REPRODUCED.md").exists()


@pytest.mark.parametrize("text", ["{broken", "[]", "{}", '{"name": "small", "verdicts": []}'])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path, text):
    folder = tmp_path / "reproduced"
    folder.mkdir()
    (folder / "small.smoke.json").write_text(text)
    assert read_records(tmp_path) == {}


@pytest.mark.parametrize(
    ("sizes", "factors"),
    [
        ("reduced=10, full=40", (4.0, 4.0)),
        ("reduced=(10, 3), full=(40, 6)", (4.0, 8.0)),
        ("reduced=[1, 2], full=[3, 9]", (4.0, 4.0)),
        ("reduced=10, full=5", (1.0, 1.0)),
        ("reduced=len(x), full=1000", (1.0, 1.0)),
        ("reduced='a', full='b'", (1.0, 1.0)),
    ],
)
def test_growth_of_the_work_is_read_from_the_sizes(small, sizes, factors):
    small.path.write_text(PAGE.replace("Verdicts([", f"R = pick(smoke=1, {sizes})\nVerdicts([", 1))
    assert growth(small) == factors


def test_the_page_says_what_the_papers_size_takes(small, tmp_path):
    small.path.write_text(PAGE.replace("Verdicts([", "R = pick(smoke=1, reduced=10, full=600)\nVerdicts([", 1))
    one = replace(record_of(small, "smoke"), size="reduced", busy=12.0)
    assert "| `small` | 12 s | not run, about 12 min |" in write_page(tmp_path, [one], [small]).read_text()
    both = [one, replace(one, size="full", busy=700.0)]
    assert "| `small` | 12 s | 700 s |" in write_page(tmp_path, both, [small]).read_text()
    small.path.write_text(PAGE)
    assert "| `small` | not run | the same |" in write_page(tmp_path, [], [small]).read_text()


def test_full_size_of_those_that_fit(small, tmp_path, capsys):
    from statinf.cli import main

    small.path.write_text(
        PAGE.replace("size()", "str(pick(smoke=1, reduced=10, full=600))").replace("size\n", "pick\n")
    )
    replace(record_of(small, "smoke"), size="reduced", busy=12.0).save(tmp_path)
    words = ["reproduce", str(small.path), "--all", "--full", "--out", str(tmp_path), "--within"]
    assert main([*words, "11"]) == 0
    assert "running" not in capsys.readouterr().err
    assert main([*words, "13"]) == 0
    assert "running small at size full" in capsys.readouterr().err
    assert "| a \\| b |  | 600 |" in (tmp_path / "REPRODUCED.md").read_text()
