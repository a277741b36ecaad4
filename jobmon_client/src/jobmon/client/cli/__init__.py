"""The command line `jobmon`."""
