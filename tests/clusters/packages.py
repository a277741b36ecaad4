"""What every server of the tests says when it is not installed."""


class Unavailable(Exception):
    """The machine does not have what is needed; the text says what to install."""
