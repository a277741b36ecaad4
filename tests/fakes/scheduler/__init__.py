"""What every fake batch system is made of: time, calls with answers, faults, executables, real processes."""
