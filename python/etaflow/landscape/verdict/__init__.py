"""The evidence for a verdict on a point: spectrum, certificate, kinks, rays to infinity, null space."""
