"""How many minima there are, how often training ends in each, and the saddles between them.

`search` runs many starts and `ends` polishes where they end and says what each is. For networks of ReLUs, with the kinks that `piecewise`
makes free, `glide` goes down along kinks, `kinks` makes a minimum there exact, and `recession` finds rays along which f falls for ever;
`orbits` and `freedom` know along which directions f cannot change. `census` tells which ends are the same point, `unseen` how many are still
to be found, and `result` holds it all. `stationary` looks for saddles too, by the methods of `newton`.
"""
