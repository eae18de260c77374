"""How Sphinx builds the pages: the repository is the source, so that every link works both here and in the pages.

`make docs` builds them, with warnings as errors.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

from narrows.version import __version__

project = "narrows"
author = "the narrows authors"
project_copyright = "the narrows authors"
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/lesson/*.md", "results/*.md", "FORMAT.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = [
    ".venv",
    "build",
    "src",
    "tests",
    "demo",
    "lesson",
    ".git",
]  # so that they are not searched for pages

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # tables of results begin where their programs begin them

# The notebooks of the lesson are run once for every state of the package: for the pages or by tests/test_lesson.py.
ROOT = Path(__file__).parents[1]
_sources = sorted((ROOT / "src").rglob("*.py"))
_state = hashlib.sha256(b"".join(path.read_bytes() for path in _sources)).hexdigest()[:16]
nb_execution_cache_path = str(ROOT / "build" / "lesson" / _state)
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 120  # seconds a cell
nb_execution_raise_on_error = True
nb_merge_streams = True
KernelManager.transport_encryption.default_value = "auto"  # or every notebook warns that its kernel is not encrypted

default_role = "code"  # docstrings write code in single backticks
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "__init__"}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False
toc_object_entries = False

html_theme = "alabaster"
html_title = "narrows"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "description": "Learn an autoencoder from your own data and put it to work",
    "fixed_sidebar": True,
    "page_width": "1180px",
    "body_max_width": "900px",
    "sidebar_width": "230px",
    "font_size": "16px",
    "code_font_size": "0.85em",
    "show_powered_by": False,
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}


def _indented_is_code(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings show code as Markdown does, by four spaces; here it needs two colons before it."""
    text = re.sub(r"^(\S.*)\n\n(?=    \S)", r"\1\n\n::\n\n", "\n".join(lines), flags=re.MULTILINE)
    lines[:] = text.split("\n")


def setup(app: Any) -> None:
    """What Sphinx calls when it has read the settings above."""
    app.connect("autodoc-process-docstring", _indented_is_code)
