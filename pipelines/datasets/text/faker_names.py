"""Surnames by language, from the lists inside the `faker` package.

The lists are read as they are; no name is sampled from a generator. They are grouped by language,
not by locale, and a language is included if it has at least 200 distinct names after cleaning:
24 languages and 24,475 names with faker 40.54.0, from 200 Czech to 3,890 Polish ones. 429 names
belong to two or more languages, so no classifier can be right on more than 98 %.

Left out, after reading the lists:
  * fewer than 200 names: Danish, Norwegian, Portuguese, Romanian, Hungarian, Turkish, Latvian,
    Lithuanian, Slovenian, Bulgarian, Macedonian, Uzbek, Japanese, Korean, Vietnamese, Indonesian,
    Nepali, Twi, Yoruba, Swahili and others;
  * scripts that a table cannot transliterate to the usual spelling: those written without vowels
    (Hebrew, Arabic, Persian), and those with inherent vowels or reordered letters (Odia, Tamil,
    Thai). Arabic is included in the French spelling of Algeria, with some Berber names;
  * lists that are not of one language: en_US (a tenth is Spanish), en (invented or German),
    en_IE (Irish names in English spelling), en_IN, en_KE, en_PK, fr_BE (a quarter is Flemish),
    de_LU, the Russian part of et_EE. The lists that remain hold immigrants' names too.

Both forms of a Slavic or Greek surname are included (Novák, Nováková); see `family`. Icelanders
have patronymics instead of surnames: each stem is used once, with son or dóttir.
"""

import functools
import importlib
import re
import unicodedata
from collections.abc import Iterator

from anyascii import anyascii

from ..splits import Row, hash_fraction
from . import romanise

FEWEST_NAMES = 200

# Language -> the lists of faker.providers.person, as locale.attribute.
SOURCES = {
    "Arabic": ("fr_DZ.last_names",),
    "Armenian": ("hy_AM.last_names",),
    "Azerbaijani": ("az_AZ.last_names",),
    "Chinese": ("zh_CN.last_names", "zh_CN.last_romanized_names", "zh_TW.last_romanized_names"),
    "Croatian": ("hr_HR.last_names",),
    "Czech": ("cs_CZ.last_names",),
    "Dutch": ("nl_NL.last_names", "nl_BE.last_names"),
    "English": ("en_GB.last_names", "en_NZ.last_names"),
    "Estonian": ("et_EE.last_names_est",),
    "Finnish": ("fi_FI.last_names",),
    "French": ("fr_FR.last_names", "fr_CA.last_names", "fr_CH.last_names"),
    "Georgian": ("ka_GE.last_names",),
    "German": ("de_DE.last_names", "de_AT.last_names", "de_CH.last_names", "de_LI.last_names"),
    "Greek": ("el_GR.last_names",),
    "Icelandic": ("is_IS.last_names_without_suffix",),
    "Irish": ("ga_IE.last_names",),
    "Italian": ("it_IT.last_names",),
    "Polish": ("pl_PL.unisex_last_names", "pl_PL.male_last_names"),
    "Russian": ("ru_RU.last_names",),
    "Slovak": ("sk_SK.last_names",),
    "Spanish": (
        "es_ES.last_names",
        "es_AR.last_names",
        "es_CL.last_names",
        "es_CO.last_names",
        "es_MX.last_names",
    ),
    "Swedish": ("sv_SE.last_names",),
    "Ukrainian": ("uk_UA.last_names",),
    "Zulu": ("zu_ZA.last_names",),
}

# Small words may stand before a surname. Any other second word marks a full name, a nickname or
# an annotation ("Hemma van Allemanië", "Klomp Jan", "auch Schlauchin").
_PARTICLE = (
    "a|a'|an|con|da|de|del|della|den|der|di|die|dos|du|ghille|giolla|het|in|la|las|le|los|mac"
    "|maoil|maol|na|op|'s|san|'t|te|ten|ter|uí|uit|van|von|ó"
)
_LETTER = r"[^\W\d_]\u0307?"  # U+0307 is what İ leaves in lower case
_SURNAME = re.compile(f"(?:(?:{_PARTICLE}) )*{_LETTER}(?:{_LETTER}|['-])+")
_ROMAN_NUMERAL = re.compile(r"[IVX]{2,}")


def patronymic(stem: str) -> str:
    """Return gunnarsson or gunnarsdóttir for Gunnars, the same every time."""
    return stem + ("son" if hash_fraction(stem) < 0.5 else "dóttir")


# Language -> function that returns the Latin spelling of a name; Latin names stay as they are.
_ROMANISERS = {
    "Armenian": romanise.armenian,
    "Chinese": romanise.chinese,
    "Georgian": romanise.plain,
    "Greek": romanise.greek,
    "Icelandic": patronymic,
    "Russian": romanise.plain,
    "Ukrainian": romanise.ukrainian,
}


def clean(name: str) -> str | None:
    """Return the name in lower case and NFC with plain apostrophes; None if it is no surname."""
    if _ROMAN_NUMERAL.fullmatch(name):
        return None
    name = re.sub(r"[’ʼ‘`]", "'", " ".join(name.split()))
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())
    return name if _SURNAME.fullmatch(name) else None


def family(name: str) -> str:
    """Return the same key for all spellings of a surname: Novák and Nováková, Pérez and Perez.

    Accents and endings are removed, unless fewer than four letters would remain. Names of a family
    share a split: otherwise near copies of test names would be in train.
    """
    letters = re.sub(r"[^a-z]", "", anyascii(name).lower())
    stem = re.sub(r"[aeiouys]+$", "", letters)
    stem = re.sub(r"(?<=[a-z]{3})[oe]v$", "", stem)
    stem = re.sub(r"e(?=[^aeiou]$)", "", stem)  # Sedláček, Sedláčková
    return stem if len(stem) >= 4 else letters


def names_of(language: str) -> Iterator[str]:
    """Yield the cleaned names of a language, repetitions included."""
    romanised = _ROMANISERS.get(language, str)
    for source in SOURCES[language]:
        locale, attribute = source.split(".")
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for name in getattr(provider, attribute):
            if cleaned := clean(romanised(name)):
                yield cleaned


@functools.cache
def rows() -> tuple[Row, ...]:
    """Return all distinct (language, name) pairs, sorted."""
    by_language = {language: set(names_of(language)) for language in SOURCES}
    return tuple(
        sorted(
            Row(language, name)
            for language, names in by_language.items()
            if len(names) >= FEWEST_NAMES
            for name in names
        )
    )
