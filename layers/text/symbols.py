"""The ids that every vocabulary of text reserves."""

PADDING = 0
UNKNOWN = 1  # a symbol that is not in the vocabulary
START = 2  # read by a decoder before its first output
END = 3  # written by a decoder after its last output
