"""Surnames of other scripts in the Latin spelling their bearers use.

`anyascii` does the letters. Each function here mends only what is not the language's usual
spelling: digraphs, letters whose sound depends on their place, and the apostrophes that
transliteration tables write and passports do not.
"""

import re
import unicodedata

from anyascii import anyascii

# Surnames that anyascii reads as the character's more common word.
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
    """anyascii without the marks for soft signs, ejectives and aspirates."""
    return anyascii(name).replace("'", "").lower()


def armenian(name: str) -> str:
    """ու is one vowel; a name begins with Ye and Vo, not with E and O."""
    name = name.lower().replace("ու", "u").replace("ռ", "ր")
    return plain(re.sub(r"\bե", "ye", re.sub(r"\bո", "vo", name)))


def chinese(name: str) -> str:
    """Pinyin without tones, a surname's own reading where it has one."""
    return _SURNAME_READING.get(name) or plain(name)


def greek(name: str) -> str:
    """ELOT 743."""
    without_stress = unicodedata.normalize("NFD", name.lower()).replace("\u0301", "")
    name = unicodedata.normalize("NFC", without_stress)
    for pattern, latin in _GREEK:
        name = re.sub(pattern, latin, name)
    return plain(name)


def ukrainian(name: str) -> str:
    """The national system: г is h, и is y."""
    name = name.lower().replace("зг", "зgh")
    name = re.sub(r"\b\w", lambda letter: letter[0].translate(_UKRAINIAN_START), name)
    return plain(name.translate(_UKRAINIAN))
