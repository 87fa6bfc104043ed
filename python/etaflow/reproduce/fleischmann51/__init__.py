"""Experiment 5.1 of Fleischmann 2021: what the cost of "local minima" has to do with the number of hidden neurons.

Gradient descent from many starts, on 100 points in the plane, with leaky ReLU networks of one to three hidden layers and 1 to 100 neurons
in each. The thesis takes the ends of the runs for local minima. This repeats it with the rules of the author's program, and asks of every
end what it is: a minimum, where ∇f = 0 or at a kink; a point with all observations on their right sides, whose minimum is at infinity; or
a point from where gradient descent goes on down.

`protocol` says what is run, `problem` on which data, `training` runs it and goes on from the ends, `verdicts` judges them, `clusters` counts
the levels of the cost, `findings` collects it, `figures`, `panels`, `answers`, `text` and `report` show it, and `experiment` ties it
together.
"""
