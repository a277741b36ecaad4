"""Stand-ins that tests are written on: real parts wherever they can be had, these where not."""
