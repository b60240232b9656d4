"""Finding vignettes by name, the size switch and the command line."""

from __future__ import annotations

import re

import pytest

from statinf.errors import OptionError
from statinf.vignette import catalog, pick, size
from statinf.vignette.__main__ import main
from statinf.vignette.errors import VignetteError

pytest.importorskip("yaml")


@pytest.fixture
def shelves(tmp_path, monkeypatch):
    for folder, name, title in (("a", "start", "Start here"), ("b", "start", "Hidden"), ("b", "other", "Other")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.qmd").write_text(f"---\ntitle: {title}\ndescription: About {name}\n---\nx\n")
    (tmp_path / "a" / "_part.qmd").write_text("included elsewhere")
    monkeypatch.setattr(catalog, "folders", lambda: [tmp_path / "a", tmp_path / "b"])
    return tmp_path


def test_available_and_find(shelves):
    listed = catalog.available()
    assert [(v.name, v.title) for v in listed] == [("other", "Other"), ("start", "Start here")]
    assert listed[0].description == "About other"
    assert catalog.find("start") == catalog.find("start.qmd") == shelves / "a" / "start.qmd"
    assert catalog.find(shelves / "b" / "start.qmd") == shelves / "b" / "start.qmd"
    with pytest.raises(VignetteError, match="did you mean start"):
        catalog.find("strat")
    with pytest.raises(VignetteError, match="there are: other, start"):
        catalog.find("zzzzzz")


def test_index_has_families_in_order_and_pages_in_theirs(tmp_path):
    from statinf.vignette import build_index

    def page(name, *categories, **order):
        (tmp_path / f"{name}.html").write_text("<p></p>")
        return catalog.Vignette(name, tmp_path / f"{name}.qmd", name.upper(), categories=categories, **order)

    made = [page("a", "shift"), page("b", "start"), page("c", "start", order=1), page("d", "own"), page("e", "models")]
    text = build_index(tmp_path, vignettes=made).read_text()
    found = re.findall(r"<h2>(.+?)</h2>|<h3><a href=\"(.+?)\.html\">", text)
    said = [heading or name for heading, name in found]
    assert said == ["Start", "c", "b", "Regression", "e", "Other populations", "a", "Own", "d"]


def test_order_is_a_number(tmp_path):
    (tmp_path / "x.qmd").write_text("---\ntitle: X\norder: first\n---\n")
    with pytest.raises(VignetteError, match="order: 'first' in the front matter must be a number"):
        catalog.describe(tmp_path / "x.qmd")


def test_command_line(shelves, capsys):
    assert main(["list"]) == 0
    assert "Start here" in capsys.readouterr().out
    assert main(["render", "zzzzzz"]) == 1
    assert "no vignette named 'zzzzzz'" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "expected"), [("", "reduced"), ("smoke", "smoke"), ("full", "full")])
def test_size_and_pick(value, expected, monkeypatch):
    monkeypatch.setenv("STATINF_VIGNETTE", value)
    assert size() == expected
    assert pick(smoke="smoke", reduced="reduced", full="full") == expected


def test_unknown_size(monkeypatch):
    monkeypatch.setenv("STATINF_VIGNETTE", "big")
    with pytest.raises(OptionError, match="STATINF_VIGNETTE='big'"):
        size()
