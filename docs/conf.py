"""How Sphinx builds the pages: the repository is the source, so that every link works both here and in the pages.

`make docs` builds them, with warnings as errors.
"""

from narrows.version import __version__

project = "narrows"
author = "the narrows authors"
project_copyright = "the narrows authors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "results/*.md", "FORMAT.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = [".venv", "build", "src", "tests", "demo", ".git"]  # so that they are not searched for pages

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # tables of results begin where their programs begin them

default_role = "py:obj"  # docstrings write names in single backticks
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
python_use_unqualified_type_names = True
add_module_names = False
maximum_signature_line_length = 100

html_theme = "alabaster"
html_title = "narrows"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "description": "Learn an autoencoder from your own data and put it to work",
    "fixed_sidebar": True,
    "page_width": "1180px",
    "sidebar_width": "230px",
    "show_powered_by": False,
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
