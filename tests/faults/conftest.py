"""The same homes as in the end-to-end tests."""

from end_to_end.conftest import here, home

__all__ = ["here", "home"]
