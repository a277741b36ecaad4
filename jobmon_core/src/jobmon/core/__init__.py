"""What every part of Jobmon agrees on: states, wire, identity, resources, the cluster contract."""

__version__ = "4.0.0a1"

__all__ = ["__version__"]
