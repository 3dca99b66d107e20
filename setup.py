"""Make the long description, which PyPI shows, from the README; all else is in pyproject.toml.

The README has pictures and links of this repository, which lead nowhere on another site: there, a
picture is left out and a link is its text.
"""

import re
from pathlib import Path

from setuptools import setup

ADDRESS = r"https?://|mailto:|#"  # of links that lead somewhere everywhere


def long_description(readme: str) -> str:
    """Return the README without relative pictures, and with relative links as text."""
    without_pictures = re.sub(rf"!\[[^\]]*\]\((?!{ADDRESS})[^)]*\)\n*", "", readme)
    return re.sub(rf"\[([^\]]*)\]\((?!{ADDRESS})[^)]*\)", r"\1", without_pictures)


setup(
    long_description=long_description((Path(__file__).parent / "README.md").read_text("utf-8")),
    long_description_content_type="text/markdown",
)
