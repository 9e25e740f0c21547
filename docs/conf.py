"""Settings of the documentation: ``make docs`` builds it, with warnings as errors, offline."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

from mlspec import __version__  # noqa: E402 (found by the line above)

project = "mlspec"
author = "the authors of mlspec"
copyright = author  # noqa: A001 (the name that Sphinx asks for)
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "mlspec_reference",
]
exclude_patterns = ["_build", "extensions"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The tutorial is run at every build; an exception in it fails the build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300

autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"Array": "Array"}
autodoc_member_order = "bysource"

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

smartquotes = False  # options begin with two hyphens

html_theme = "furo"
html_title = f"mlspec {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False
