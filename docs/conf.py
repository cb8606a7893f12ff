"""Sphinx: the guide in Markdown, built by `make docs` into docs/_build."""

project = "trad-array"
author = "the trad-array authors"
extensions = ["myst_parser"]
html_theme = "alabaster"
myst_heading_anchors = 3
exclude_patterns = ["_build"]
