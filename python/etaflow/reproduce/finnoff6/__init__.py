"""Section 6 of Finnoff 1992: whether simple backpropagation resists local minima that batch training gets stuck in.

The paper trains a network of ten tanh units on data of four models, three times each, once pattern by pattern with constant
step size (SGD with mini-batches of one) and once with the whole gradient, from the same start and for the same number of passes
over the data. Batch training ends higher, and the paper takes its plateaus for local minima. This repeats the experiment with
hundreds of starts, looks at the points where batch training ended with a test instead of an eye, and compares at equal time
t = kη too: in one pass over T observations SGD makes T steps and batch training one.

`protocol` says what is run, `problem` on which data, `races` runs both methods, `comparison` counts who ended lower,
`verdicts` tests the points, `variations` varies what the paper leaves open, `findings` collects it, `figures`, `report`, `answers`
and `text` show it, and `experiment` ties it together.
"""
