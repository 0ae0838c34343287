"""Measurements of the targets. Each `bench_NAME.py` has `main(argv) -> list[dict]`, its figures."""
