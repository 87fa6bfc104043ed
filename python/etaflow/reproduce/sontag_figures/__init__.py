"""The figures of Sontag 1988, and every claim that the paper makes with them.

`protocol` says what is computed, `cases` has the error functions and images of figures 1 to 4, `parts` computes the diagram of minima over a, the
problems with exponentially many minima, and the weights of figure 5; `findings` collects them, `claims` judges the paper's sentences, `figures`,
`text` and `report` show it, and `experiment` ties it together.
"""
