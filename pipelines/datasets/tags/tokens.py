"""Tokens of plain text, in the manner of the English treebanks."""

import re
import unicodedata

from ..utf8 import without_surrogates

TOKEN = re.compile(
    r"""(?xi)
    (?:https?://|www\.)\S*[^\s.,:;!?'"’”)\]>]       # addresses, without punctuation after them
    | [\w.+-]+@\w[\w-]*(?:\.\w[\w-]*)+
    | n['’]t\b | ['’](?:s|m|d|re|ve|ll)\b           # contracted not, is, have, will
    | \d+(?:st|nd|rd|th|s)\b | \d+(?:[.,:]\d+)*     # 3rd, 1990s, 1,000.50
    | (?:\w\.){2,}                                  # U.S.
    | \w+(?:[-'’]\w+)*? (?= n['’]t\b | ['’](?:s|m|d|re|ve|ll)\b )
    | \w+(?:['’]\w+)*
    | ([^\w\s])\1+                                  # ..., --, !!
    | \S
    """
)


def tokens_of(text: str) -> list[str]:
    """Return the words and punctuation of a sentence: "I can't." → ["I", "ca", "n't", "."]

    These few rules suffice for sentences that a user types. A treebank has its own tokens.
    """
    composed = unicodedata.normalize("NFC", without_surrogates(text))  # as a treebank is read
    return [match.group() for match in TOKEN.finditer(composed)]
