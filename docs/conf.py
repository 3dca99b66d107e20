"""Configuration of the site; README.md in this folder says how to build it."""

import importlib.util
import os
import sys
import tomllib
from pathlib import Path

from jupyter_client.manager import KernelManager

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # for the extensions in this folder
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log belongs to a terminal
KernelManager.transport_encryption.default_value = "auto"  # a kernel warns if there is none

_meta = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
project = _meta["name"]
author = "the errorflow authors"
project_copyright = author
release = version = _meta["version"]

extensions = [
    "myst_nb",  # Markdown, and the execution of its code cells
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "notebook_cells",
    "notebook_downloads",
    "plain_docstrings",
]
exclude_patterns = ["_build", "README.md", "examples"]
smartquotes = False  # "--flag" has two hyphens
nitpicky = True  # a cross reference without a target is a warning

# Notebooks

nb_execution_mode = "cache"  # in _build/.jupyter_cache; -D nb_execution_mode=off executes nothing
nb_execution_timeout = 600  # seconds for a cell
nb_execution_in_temp = True
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# API reference

default_role = "code"  # a name between single backticks
add_module_names = False
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # those of Keras are Markdown
autodoc_typehints = "none"  # arguments and results are described in words
napoleon_attr_annotations = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# HTML

html_theme = "pydata_sphinx_theme"
html_title = "errorflow"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "errorflow"},
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
}
html_sidebars = {"index": [], "benchmarks": [], "changelog": []}

# MathJax is served with the site, as one file without fonts: pages can be read offline.
_mathjax = importlib.util.find_spec("sphinx-mathjax-offline")
if _mathjax is None or _mathjax.origin is None:
    raise ImportError("the site needs the extra `docs`: pip install -e '.[docs]'")
html_static_path.append(str(Path(_mathjax.origin).parent / "static" / "mathjax" / "tex-svg.js"))
mathjax_path = "tex-svg.js"
