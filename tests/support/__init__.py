"""What tests and benchmarks share: recorded sequences, services, interpreters."""
