"""Handlers, thin: each takes the service and a request and answers; SQL is in the store."""

import importlib


def load() -> None:
    """Import all handlers, which registers them."""
    for name in ("health", "bind", "run", "work", "status", "clusters", "auth"):
        importlib.import_module(f"jobmon.server.views.{name}")
