"""Thin Ray Serve shells: what they decide lives in `bidding`, what they read in `stores`."""
