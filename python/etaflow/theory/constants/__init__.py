"""What the constants of Lemma 3.1 are computed from: ranges of activations, paths to infinity, bounds of Hessians."""
