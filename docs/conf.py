"""How Sphinx builds these pages: nothing but Sphinx itself, nothing from the network."""

from pypidaemon import __version__

project = "pypidaemon"
author = "the pypidaemon authors"
version = release = __version__
copyright = "the pypidaemon authors"  # noqa: A001  # Sphinx asks for this name

extensions: list[str] = []
exclude_patterns = ["_build", "README.rst"]
nitpicky = True
default_role = None
smartquotes = False

html_theme = "alabaster"
html_theme_options = {"description": "A Python package index in one daemon", "show_powered_by": "false", "page_width": "1200px", "body_max_width": "960px"}
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
