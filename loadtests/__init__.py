"""Load: benchmarks with their ceilings, and Locust scenarios. See docs/benchmarks.md."""
