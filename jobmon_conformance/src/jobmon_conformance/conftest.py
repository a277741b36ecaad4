"""The fixtures, for the suite when it is run where it is installed."""

from jobmon_conformance.fixtures import bench, drive, home, home_of_all

__all__ = ["bench", "drive", "home", "home_of_all"]
