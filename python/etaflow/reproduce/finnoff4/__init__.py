"""Theorem 4.1 of Finnoff 1992: the fluctuations (θ^η − θ̄)/√η of SGD around the gradient flow tend to a Gaussian diffusion.

The paper proves the limit and leaves the rate open, the question of Berry and Esseen. This measures both on three networks: the
covariance of thousands of runs beside that of the linear diffusion, at one time and at two; the distribution functions along random
directions; how fast all of them come near their limit; a property of whole paths, which no covariance at one time decides; and
bands of weights, predictions and the loss, with how often they hold.

`protocol` says how much is run, `problem` on which networks and data, `limit` is the limit law and `ensemble` SGD's runs and the
diffusion's, `paths` compares them in time, `coverage` makes the bands and counts; `findings` collects it, `figures`, `picture`,
`report`, `answers` and `text` show it, and `experiment` ties it together.
"""
