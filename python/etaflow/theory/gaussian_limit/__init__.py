"""How near SGD's fluctuations are to their Gaussian limit: Theorem 4.1 of Finnoff 1992, measured."""
