"""What happens next in a run: `advance` takes one step, its decisions are pure functions."""
