"""See the top-level docs/architecture.md."""
