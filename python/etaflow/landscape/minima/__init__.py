"""How many minima there are, how often training ends in each, and the saddles between them.

`search` runs many starts and polishes where they end; `ends` says what each end is, `kinks` settles those at the kinks of ReLU and
its relatives, `orbits` knows along which directions f cannot change; `census` tells which ends are the same point, `unseen` how many
are still to be found, and `result` holds it all. `stationary` looks for saddles too.
"""
