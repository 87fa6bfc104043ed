"""The same work by other tools, one module a tool, as its own experts would write it.

A peer gets the indices of the observations as an array, where etaflow draws them itself. Every builder returns a
`Contender` whose turn makes everything but what would be done once for many turns (moving data, compiling).
"""
