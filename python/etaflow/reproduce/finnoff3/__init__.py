"""Section 3 of Finnoff 1992: SGD and the gradient flow, Theorem 3.2 measured (``etaflow reproduce finnoff-3``).

The paper proves E sup_{s≤r}‖θ^η(s) − θ̄(s)‖² ≤ B_r·η and P(sup > δ) ≤ B_r·η/δ², and remarks that B_r may grow exponentially with r. It has
no numbers: networks, times and step sizes here are ours, stated in `problem` and `protocol`.

`measured` runs `etaflow.theory.deviation` and reads powers and growth off its tables, `proved` has the constant of Gronwall's
inequality, `limit` the limit law that the constant tends to, `approach` how fast it does, `others` other data and starts, and `batch` the comparison with
batch training; `keeping` writes tables to the job's files, `findings` collects it, `figures` (with `panels`), `report`, `answers`
and `text` show it, and `experiment` ties it together.
"""
