"""Benches: each measures one figure of docs/performance.md beside the floor of the same minute."""
