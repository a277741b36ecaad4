"""Real servers from Debian's packages, started and stopped for the tests."""
