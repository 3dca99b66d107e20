"""Plain text to tokens, as the English treebanks have them."""

import re

_TOKEN = re.compile(
    r"""(?xi)
    https?://\S+ | www\.\S+ | \S+@\S+\.\w+          # addresses
    | n['’]t\b | ['’](?:s|m|d|re|ve|ll)\b           # what is left of not, is, have, will
    | \d+(?:[.,:]\d+)*                              # 1,000.50
    | (?:\w\.){2,}                                  # U.S.
    | \w+(?:[-'’]\w+)*? (?= n['’]t\b | ['’](?:s|m|d|re|ve|ll)\b )
    | \w+(?:['’]\w+)*
    | \.{2,} | -{2,}
    | \S
    """
)


def tokens_of(text: str) -> list[str]:
    """Words and signs of a sentence: "I can't." → ["I", "ca", "n't", "."]

    A few rules, near enough to tag a sentence that somebody types. A treebank brings its tokens.
    """
    return _TOKEN.findall(text)
