"""The hypotheses of Theorems 3.2 and 4.1 of Finnoff 1992, checked for a network: one condition after the other."""
