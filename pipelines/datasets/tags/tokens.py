"""Plain text to tokens, as the English treebanks have them."""

import re
import unicodedata

_TOKEN = re.compile(
    r"""(?xi)
    (?:https?://|www\.)\S*[^\s.,:;!?'"’”)\]>]       # addresses, without what follows them
    | [\w.+-]+@\w[\w-]*(?:\.\w[\w-]*)+
    | n['’]t\b | ['’](?:s|m|d|re|ve|ll)\b           # what is left of not, is, have, will
    | \d+(?:st|nd|rd|th|s)\b | \d+(?:[.,:]\d+)*     # 3rd, 1990s, 1,000.50
    | (?:\w\.){2,}                                  # U.S.
    | \w+(?:[-'’]\w+)*? (?= n['’]t\b | ['’](?:s|m|d|re|ve|ll)\b )
    | \w+(?:['’]\w+)*
    | ([^\w\s])\1+                                  # ..., --, !!
    | \S
    """
)


def tokens_of(text: str) -> list[str]:
    """Words and signs of a sentence: "I can't." → ["I", "ca", "n't", "."]

    A few rules, near enough to tag a sentence that somebody types. A treebank brings its tokens.
    """
    composed = unicodedata.normalize("NFC", text)  # as a treebank is read
    return [found.group() for found in _TOKEN.finditer(composed)]
