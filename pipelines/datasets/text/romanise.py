"""Surnames of other scripts in the Latin spelling that their bearers use.

`anyascii` transliterates the letters. Each function here corrects what differs from the usual
spelling of the language: digraphs, letters whose sound depends on their position, and apostrophes,
which transliteration tables write and passports do not.
"""

import re
import unicodedata

from anyascii import anyascii

# Surnames for which anyascii gives the more common reading of the character.
_SURNAME_READING = {
    "曾": "zeng",
    "翟": "zhai",
    "单": "shan",
    "解": "xie",
    "缪": "miao",
    "仇": "qiu",
    "查": "zha",
    "盖": "ge",
    "薄": "bo",
    "朴": "piao",
    "区": "ou",
    "乐": "yue",
}

# ELOT 743, the table of Greek passports. αυ, ευ, ηυ end in v before a voiced sound, else in f.
_GREEK = (
    (r"ου", "ou"),
    (r"(?<=[αεη])υ(?=[αεηιουωβγδζλμνρ])", "v"),
    (r"(?<=[αεη])υ", "f"),
    (r"\bμπ", "b"),
    (r"γγ", "ng"),
    (r"γξ", "nx"),
    (r"γχ", "nch"),
)

# The Ukrainian national system of 2010: some letters are longer at the start of a word.
_UKRAINIAN_START = str.maketrans({"є": "ye", "ї": "yi", "й": "y", "ю": "yu", "я": "ya"})
_UKRAINIAN = str.maketrans(
    {"г": "h", "ґ": "g", "и": "y", "є": "ie", "ї": "i", "й": "i", "ю": "iu", "я": "ia"}
)


def plain(name: str) -> str:
    """Return the result of anyascii without the marks for soft signs, ejectives and aspirates."""
    return anyascii(name).replace("'", "").lower()


def armenian(name: str) -> str:
    """Return the Latin spelling: ու is one vowel; ե and ո at the start are Ye and Vo."""
    name = name.lower().replace("ու", "u").replace("ռ", "ր")
    return plain(re.sub(r"\bե", "ye", re.sub(r"\bո", "vo", name)))


def chinese(name: str) -> str:
    """Return pinyin without tones, with the reading that a character has as a surname."""
    return _SURNAME_READING.get(name) or plain(name)


def greek(name: str) -> str:
    """Return the spelling of ELOT 743, the table of Greek passports."""
    without_stress = unicodedata.normalize("NFD", name.lower()).replace("\u0301", "")
    name = unicodedata.normalize("NFC", without_stress)
    for pattern, latin in _GREEK:
        name = re.sub(pattern, latin, name)
    return plain(name)


def ukrainian(name: str) -> str:
    """Return the spelling of the national system of 2010: г is h, и is y."""
    name = name.lower().replace("зг", "зgh")
    name = re.sub(r"\b\w", lambda letter: letter[0].translate(_UKRAINIAN_START), name)
    return plain(name.translate(_UKRAINIAN))
