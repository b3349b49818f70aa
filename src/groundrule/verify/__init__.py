"""Verify: from measurements of the network and orbits to a position, a covariance and a verdict."""
