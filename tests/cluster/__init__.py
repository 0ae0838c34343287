"""The cluster as a whole, on one machine: three NATS servers, three workers, PostgreSQL, objects, two viewers."""
