"""What every server of the tests says when it is not installed."""


class Unavailable(Exception):
    """The machine does not have what is needed; the text says what to install."""


class Forbidden(Unavailable):
    """The kernel does not let us: a container without the right to mount, say. No package mends that."""
