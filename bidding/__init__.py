"""The domain: valuing and ranking bids. Pure: no I/O, framework, clock or environment."""
