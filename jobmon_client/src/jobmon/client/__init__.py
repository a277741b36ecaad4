"""The library that researchers write workflows with; begin at `jobmon.client.api`."""

__all__: list[str] = []
