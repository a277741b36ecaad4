"""Jobmon on Grid Engine, through DRMAA."""
