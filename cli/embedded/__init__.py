"""The embedded system: real PostgreSQL, Redis, MLflow, Ray and Serve, on one machine."""
