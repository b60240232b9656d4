"""A small site is built and its pages are looked at in a browser; the parts that make pages."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import statinf as si
from tools.docs import blocks, check, classes, guides, verbs
from tools.docs.browser import chromium, program
from tools.docs.docstrings import Words, definitions, sections
from tools.docs.mathematics import to_mathml
from tools.docs.site import Site
from tools.docs.toc import tokens

ROOT = Path(__file__).resolve().parents[1]
FEW = ("lm", "rd_density", "table", "rd-density")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A site of three verbs and a vignette, in a process of its own: mkdocs changes loggers and warnings."""
    folder = tmp_path_factory.mktemp("site") / "out"
    command = [sys.executable, "-m", "tools.docs", str(folder), "--size", "smoke", "--only", *FEW]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_links_lead_somewhere_and_the_search_knows_the_pages(built):
    assert not check.links(built)
    index = (built / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "verbs/rd_density.html" in index and "vignettes/rd-density.html" in index


def test_no_page_is_broken_on_a_telephone(built):
    path = program()
    if path is None:
        pytest.skip("no Chromium on the path (on Debian: apt-get install chromium)")
    with check.served(built) as address, chromium(path) as browser:
        assert not check.walk(built, browser, address)


def test_the_walk_sees_what_is_wrong(tmp_path):
    page = '<p id="a" style="width: 600px">wide</p><img src="none.png"><a href="none.html">x</a><a href="#b">y</a>'
    (tmp_path / "index.html").write_text(f"<main class=md-content>{page}<script>missing()</script></main>")
    said = check.links(tmp_path)
    assert [line.partition(": ")[2] for line in said] == [
        "the link none.png leads nowhere",
        "the link none.html leads nowhere",
        "#b: the page has no such anchor",
    ]
    path = program()
    if path is None:
        pytest.skip("no Chromium on the path (on Debian: apt-get install chromium)")
    with check.served(tmp_path) as address, chromium(path) as browser:
        said = " ".join(check.walk(tmp_path, browser, address))
    for problem in ("none.png does not load", "wider than the screen", "missing is not defined", "404"):
        assert problem in said


def test_a_verb_page_has_everything(built):
    page = (built / "verbs" / "rd_density.html").read_text(encoding="utf-8")
    for part in ("Example", "Formula", "Arguments", "Methods", "What comes back", "Errors and warnings", "Vignettes"):
        assert f">{part}<" in page, part
    assert "McCrary (2008)" in page and "<code>bandwidth</code>" in page and "rd-density.html" in page
    assert list((built / "verbs").glob("rd_density-*.png"))
    assert ">Certificate<" in (built / "verbs" / "lm.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", list(verbs.tables()))
def test_records_and_docstrings_fill_a_verb_page(verb):
    doc = sections(inspect.getdoc(getattr(si, verb)) or "")
    assert not {"", "Parameters", "Returns", "Raises", "Examples"} - set(doc)
    assert doc["Parameters"].startswith("formula : str\n")
    assert verbs._result("\n".join(code for kind, code in verbs._pieces(doc["Examples"]) if kind == "code"), verb)
    methods = list(verbs.tables()[verb][1].values())
    assert all(m.guarantee and m.citation for m in methods) and any(m.vignette for m in methods)
    assert all(rule.meaning and rule.accepts for m in methods for rule, _ in m.options.rules().values())
    kinds = [name for name in re.findall(r"\b[A-Z]\w+\b", doc["Returns"]) if name in classes.results()]
    assert kinds, "what comes back has no page"


def test_the_reference_shows_what_users_call():
    known = classes.results()
    shown = {name for name, _ in classes.members(known["AbsorbedLinearFit"])}
    assert {"summary", "predict", "test", "fixed_effects", "r2_within"} <= shown
    assert not {"refit_solver", "wild_influence", "glance_items", "coefficients_used", "moments"} & shown
    # what the package's parts hand one another takes or returns what no page tells of
    library = {
        n: c for m in classes.modules() for n, c in vars(m).items() if inspect.isclass(c) and c.__module__ == m.__name__
    }
    for name, kind in known.items():
        for member, value in classes.members(kind):
            function = classes.function_of(value)
            for said in getattr(function, "__annotations__", {}).values():
                inner = {w for w in re.findall(r"\b[A-Z]\w+\b", str(said)) if w in library and w not in known}
                inner -= {w for w in inner if getattr(function, "__globals__", {}).get(w) not in (None, library[w])}
                assert not inner and "NoReturn" not in str(said), f"{name}.{member}: {said}; mark it with @internal"


def test_vignettes_and_guides_call_what_the_reference_shows():
    kinds = [
        c for m in classes.modules() for c in vars(m).values() if inspect.isclass(c) and c.__module__ == m.__name__
    ]
    marked, open_ = set(), set()
    for kind in kinds:
        names = {n for n, v in vars(kind).items() if not n.startswith("_") and classes.is_member(v)}
        shown = {name for name, _ in classes.members(kind)}
        marked |= {n for n in names - shown if inspect.getdoc(classes.function_of(vars(kind)[n]))}
        open_ |= names & shown
    files = [*ROOT.glob("vignettes/*.qmd"), *ROOT.glob("docs/guides/*.md"), ROOT / "README.md"]
    called = {name for file in files for name in re.findall(r"\.(\w+_\w+)\b", file.read_text(encoding="utf-8"))}
    assert not called & (marked - open_)


def test_a_verb_page_that_lacks_a_part_is_named(tmp_path):
    (tmp_path / "verbs").mkdir()
    made = "".join(f'<h2 id="{part.lower().replace(" ", "-")}">' for part in check.PARTS if part != "Certificate")
    (tmp_path / "verbs" / "a.html").write_text(made + "<strong>Paper</strong>")
    said = check.verbs(tmp_path)
    assert said == [f"verbs/a.html: without {part}" for part in ("Certificate", "Guarantee", "figure")]


def test_blocks_share_a_namespace_and_are_kept(tmp_path):
    codes = ["import statinf as si\nx = 3", "print('a')\nx + 1", "x;"]
    made = blocks.run(codes, "here", tmp_path)
    assert [output.text for output in made] == ["", "a\n4", ""]
    (kept,) = tmp_path.glob("*.json")
    kept.write_text(kept.read_text().replace("a\\n4", "from the file"))
    assert blocks.run(codes, "here", tmp_path)[1].text == "from the file"


def test_a_figure_goes_below_its_block(tmp_path):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])"
    (made,) = blocks.run([code], "here", tmp_path)
    assert made.text == "" and made.figures[0].startswith(b"\x89PNG")


def test_a_block_that_fails_is_named(tmp_path):
    with pytest.raises(blocks.BlockError, match=r"(?s)page\.md: block 2 failed.*1 / 0.*ZeroDivisionError"):
        blocks.run(["x = 1", "1 / 0"], "page.md", tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_only_python_runs_in_a_guide(tmp_path):
    text = "# Coming\n\n```r\nlm(y ~ x)\n```\n\n```python\n2 + 2\n```\n\n```{.python .no-run}\n1 / 0\n```\n"
    site = Site(tmp_path / "pages", tmp_path / "cache")
    made = guides.executed(text, "guides/a.md", site, "a.md")
    assert "```r\nlm(y ~ x)\n```" in made and "\n4\n" in made and "1 / 0" in made


def test_docstrings_become_lists_with_links():
    doc = sections(
        "Do it.\n\nParameters\n----------\na, b : int\n    As `statinf.lm`, x_1 < 2.\n\nReturns\n-------\nFit\n"
    )
    words = Words("verbs/rd.md", {"si.lm": "verbs/lm.md"})
    assert doc[""] == "Do it."
    made = definitions(doc["Parameters"], words)
    assert "`a`, `b`" in made and "[`statinf.lm`](lm.md)" in made and r"x\_1 &#60; 2" in made


def test_formulas_are_mathml():
    made = to_mathml(r'<p><span class="arithmatex">\(a &lt; b^2\)</span></p>')
    assert made.startswith("<p><math") and "msup" in made


def test_contents_of_a_page_are_nested():
    found = tokens('<h1>T</h1><h2 id="a">A <em>b</em></h2><h3 id="c">C</h3><h2 id="d">D</h2>')
    assert [(t["name"], [c["id"] for c in t["children"]]) for t in found] == [("A b", ["c"]), ("D", [])]
