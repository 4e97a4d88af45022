"""Faults under load: `make chaos` breaks each part of a running system, `make soak` waits."""
