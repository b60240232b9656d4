"""The site: every page is made from what runs, and mkdocs sets it.

`python -m tools.docs OUT` builds it; `python -m tools.docs.check OUT` walks its pages in a browser.
"""
