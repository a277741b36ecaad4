"""Jobmon's cluster plugin for Slurm."""
