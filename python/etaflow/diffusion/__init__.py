"""Diffusion: the noise of SGD around the gradient flow, its exact Gaussian law, and what it does near a minimum."""
