"""What the words of a scheduler that refuses something can mean; each plugin has a table from words to these."""

from enum import StrEnum


class Meaning(StrEnum):
    """What follows from an error text."""

    UNREACHABLE = "unreachable"  # nothing was sent: try again later
    UNCLEAR = "unclear"  # it may have been done
    LATER = "later"  # not now: wait
    LIMIT = "limit"  # too many jobs, of the user or altogether: wait, or ask for fewer
    TOO_LARGE = "too large"  # an array of this size is never taken
    FATAL = "fatal"  # can never work as it was asked for
    UNKNOWN = "unknown"  # words that this table does not know
