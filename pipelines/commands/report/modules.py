"""The tab's JavaScript modules inside of an HTML file: an import map of data: URLs.

The modules import one another as `import { x } from "./name.js"`. In a file that stands alone there
is nothing at "./name.js", so each of these specifiers becomes a name of the import map,
"errorflow/name.js", which the map translates to the module itself.
"""

import base64
import posixpath
import re
from collections.abc import Callable, Mapping

PREFIX = "errorflow/"
_IMPORTS = re.compile(r'\bfrom "(\.{1,2}/[^"\n]+\.js)"')


def modules_of(entry: str, read: Callable[[str], str]) -> dict[str, str]:
    """Return a module and all that it imports, by name, with specifiers of the import map.

    Args:
        entry: the name of the module, such as "report.js".
        read: returns the source of a module, by its path relative to the entry's folder.
    """
    modules: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name not in modules:
            modules[name], imported = _rewritten(name, read(name))
            waiting += imported
    return modules


def _rewritten(name: str, source: str) -> tuple[str, list[str]]:
    """Return a module with the specifiers of the import map, and the modules that it imports."""
    imported = []

    def named(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[1]))
        imported.append(path)
        return f'from "{PREFIX}{path}"'

    return _IMPORTS.sub(named, source), imported


def import_map(modules: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the import map of modules by name."""
    return {"imports": {f"{PREFIX}{name}": _data_url(code) for name, code in modules.items()}}


def _data_url(source: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(source.encode()).decode()}"
