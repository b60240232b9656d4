"""Reading .qmd files: front matter, cells with their lines, options, inline expressions."""

from __future__ import annotations

import pytest

from statinf.vignette.errors import VignetteError
from statinf.vignette.parse import Cell, Prose, parse, read

TEXT = """---
title: A title
execute:
  echo: false
format:
  html:
    code-fold: true
---

Words with `{python} 1 + 1` and `plain`.

````markdown
```{python}
not_a_cell = `{python} 3`
```
````

```{python}
#| label: fig-one
#| fig-cap: "Cap: with a colon"
#| echo: true

x = 1
y = 2
```

```{r}
lm(y ~ x)
```
"""


def test_parts_lines_and_options():
    document = parse(TEXT, "a.qmd")
    first, cell, last = document.parts
    assert isinstance(first, Prose) and isinstance(cell, Cell) and isinstance(last, Prose)
    assert document.title == "A title"
    assert first.inline() == [("1 + 1", 10)]
    assert "not_a_cell" in first.text
    assert cell.source == "x = 1\ny = 2"
    assert TEXT.split("\n")[cell.line - 1] == "x = 1"
    assert (cell.label, cell.options["fig-cap"], cell.options["echo"]) == ("fig-one", "Cap: with a colon", True)
    assert "```r\n" in last.text, "a cell of another engine is shown as code"


def test_settings_are_looked_up_by_format_then_document_then_execute():
    document = parse(TEXT, "a.qmd")
    assert document.setting("code-fold", to="html") is True
    assert document.setting("code-fold", default="no", to="docx") == "no"
    assert document.setting("echo") is False
    assert document.setting("title") == "A title"


def test_execute_enabled_false_runs_nothing():
    (cell,) = parse("---\nexecute:\n  enabled: false\n---\n```{python}\n1/0\n```\n").parts
    assert isinstance(cell, Cell) and not cell.runs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\ntitle: x\n", "a.qmd:1: the front matter"),
        ("---\ntitle: [x\n---\n", "malformed front matter"),
        ("words\n\n```{python}\nx = 1\n", "a.qmd:3: the cell opened here is never closed"),
        ("```{python}\n#| just words\nx\n```\n", "a.qmd:2: the cell options must be"),
        ("```{python}\n#| a: b\n#| c: [d\nx\n```\n", "a.qmd:[34]: malformed cell options"),
    ],
)
def test_malformed_files_name_the_line(text, message):
    with pytest.raises(VignetteError, match=message):
        parse(text, "a.qmd")


def test_unreadable_file(tmp_path):
    with pytest.raises(VignetteError, match="cannot read the vignette"):
        read(tmp_path / "absent.qmd")
    (tmp_path / "latin.qmd").write_bytes(b"\xe9\xff")
    with pytest.raises(VignetteError, match="cannot read the vignette"):
        read(tmp_path / "latin.qmd")
