"""The slides on Kawaguchi 2016, "Deep Learning without Poor Local Minima", claim by claim, with the thesis's section 3.3 beside them.

The slides state Baldi and Hornik's theorem on linear networks with one hidden layer, Kawaguchi's on deep ones, and open questions; the thesis adds
rank-deficient points, and Soudry and Carmon's theorem on leaky ReLUs. Every claim that can be computed is checked, with numbers, in one table.

`protocol` says how often, `problem` on which data, `represent` builds networks for truth tables, `parts` computes each phase, `findings` reads
what the phases gave, `rows` makes the table of it (`shallow_rows`, `deep_rows`, `other_rows`), `figures`, `report` and `text` show it, and `experiment` ties it together.
"""
