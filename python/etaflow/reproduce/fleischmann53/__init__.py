"""Experiment 5.3 of Fleischmann 2021: what step size and mini-batch size do to the gradient norm along SGD.

Theorem 4.8 bounds the mean of ‖∇f(θ_k)‖² over K iterates by αLM + 2(f(θ_1) − f_inf)/(Kα), where M is the noise of the
stochastic gradients, which a mini-batch divides by its size |B|. The experiment asks whether the mean itself is proportional to
α and to 1/|B|.

`protocol` says what is run, `problem` on which images, `settings` keeps that in the output folder, `phases` runs it, `start`
looks at the point where the runs begin, `sweeps` collects their results, `figures` and `report` show them, and
`experiment` ties it together.
"""
