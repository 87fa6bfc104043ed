"""What each phase computes, as arrays that the output folder keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape import linear_networks as linear
from etaflow.landscape import relu_paths
from etaflow.landscape.classify import classify
from etaflow.landscape.minima.search import find_minima
from etaflow.problem import datasets
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective
from etaflow.reproduce.kawaguchi.problem import load_problem
from etaflow.reproduce.kawaguchi.protocol import MOST_OUTPUTS, split, widths_of
from etaflow.reproduce.kawaguchi.represent import represent, truth_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow.reproduce.kawaguchi.settings import Settings

    Arrays = dict[str, npt.NDArray[Any]]
    Tell = Callable[[float], None]

PENALTY = 0.5
"""The l2 of the counter-example with regularisation, on a sum of squares."""

CENSUS_PENALTY = 1e-3
"""The l2 of the census under tanh, on a mean: it keeps the minima in finite distance."""

DEAD = -100.0
"""The biases with which no ReLU is active at any observation."""


def tables_part(settings: Settings, tell: Tell) -> Arrays:
    """Represent every truth table.

    Returns
    -------
    dict of str to ndarray
        Over the number of inputs: the functions, those that are not represented exactly, and the mean number of units that are needed.
    """
    sizes = np.arange(1, settings.protocol.inputs + 1)
    wrong, needed, functions = [], [], []
    for place, k in enumerate(sizes):
        corners, tables = truth_tables(int(k))
        net, theta = represent(corners, tables, seed=settings.seed)
        wrong.append(int((net.predict(theta, corners)[..., 0] != tables).any(axis=1).sum()))
        needed.append(float((net.layers(theta)[1][0] != 0).sum(axis=(1, 2)).mean()))
        functions.append(len(tables))
        tell((place + 1) / len(sizes))
    return {"inputs": sizes, "functions": np.array(functions), "wrong": np.array(wrong), "needed": np.array(needed)}


def index_part(settings: Settings, tell: Tell) -> Arrays:
    """Classify every critical point of full rank of every case with up to six outputs, on its orbit, and compare with the closed forms.

    Returns
    -------
    dict of str to ndarray
        Over the points: m, p, the index and nullity of the closed form and of `classify`, the relative errors of loss and gradient; and the change of the
        loss along the orbit.
    """
    rows: list[tuple[float, ...]] = []
    for m in range(1, MOST_OUTPUTS + 1):
        generator = np.random.default_rng([settings.seed, m])
        left = np.linalg.qr(generator.standard_normal((m + 8, m + 1)))[0]
        rotation = np.linalg.qr(generator.standard_normal((m, m)))[0]
        x = left @ generator.standard_normal((m + 1, m + 1))
        y = left[:, :m] * (1 + np.arange(m) / 2) @ rotation + 0.1 * generator.standard_normal((m + 8, m))
        for p in range(1, m + 1):
            objective = linear.linear_objective(x, y, p)
            for point in linear.critical_points(x, y, p):
                mixed = np.linalg.qr(generator.standard_normal((p, p)))[0] * generator.uniform(0.5, 2, p)
                theta = point.transformed(mixed).theta
                verdict = classify(objective, theta, certify=False)
                total = float(np.sum(y**2))
                moved = float(objective.value(theta) - objective.value(point.theta))
                found = (verdict.index, verdict.nullity)
                counts = [-1 if one is None else one for one in found]
                error = (verdict.value - point.value) / total
                rows.append((
                    m,
                    p,
                    point.index,
                    point.nullity,
                    *counts,
                    error,
                    verdict.grad_norm / total,
                    moved / total,
                ))
        tell(m / MOST_OUTPUTS)
    names = ("m", "p", "index", "nullity", "found_index", "found_nullity", "error", "gradient", "moved")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def claims_part(settings: Settings, network: str, tell: Tell) -> Arrays:
    """Check Kawaguchi's theorem on one network.

    Returns
    -------
    dict of str to ndarray
        The claims and their evidence; the constructed critical points; those that were found; and ‖X r‖ relative to its bound.
    """
    name, hidden = split(network)
    data = load_problem(name, settings.seed)
    claims = linear.kawaguchi_claims(data.x, data.y, hidden, starts=settings.protocol.starts, seed=settings.seed)
    objective = linear.linear_objective(data.x, data.y, hidden)
    tell(0.8)
    ends = claims.ends
    reports = [linear.residual_orthogonality(objective, theta) for theta in ends.trained.theta]
    saddles = ends.searched.theta[ends.searched.saddle]
    others = [linear.residual_orthogonality(objective, theta) for theta in saddles]
    return {
        "claim": np.array([one.name for one in claims.claims]),
        "statement": np.array([one.statement for one in claims.claims]),
        "holds": np.array([one.holds for one in claims.claims]),
        "evidence": np.array([one.evidence for one in claims.claims]),
        **{str(key): np.asarray(column.values) for key, column in claims.data.data_vars.items()},
        "total": np.array(np.sum(data.y**2)),
        "trained_value": ends.trained.value,
        "found_value": ends.searched.value[ends.searched.critical],
        "found_index": ends.searched.negative[ends.searched.critical],
        "residual_at_ends": np.array([one.relative for one in reports]),
        "residual_at_saddles": np.array([one.relative for one in others]),
    }


def flow_part(settings: Settings, network: str) -> Arrays:
    """Follow the flow of one network from a small start, with white inputs: XXᵀ = nI, and the same Σ.

    Returns
    -------
    dict of str to ndarray
        The curves, the plateaus, and the losses of Baldi and Hornik's points.
    """
    data = load_problem("random", settings.seed)
    white = np.sqrt(len(data.x)) * np.linalg.qr(data.x)[0]
    found = linear.saddle_to_saddle(white, data.y, widths_of(network), seed=settings.seed)
    steps = found.plateaus
    return {
        "time": np.asarray(found.data["time"].values),
        "loss": np.asarray(found.data["loss"].values),
        "strength": np.asarray(found.data["strength"].values),
        "plateau_time": np.array([one.time for one in steps]),
        "plateau_loss": np.array([one.loss for one in steps]),
        "plateau_level": np.array([one.level for one in steps]),
        "plateau_distance": np.array([one.distance for one in steps]),
        "plateau_gamma": np.array(["{" + ", ".join(map(str, one.gamma)) + "}" for one in steps]),
        "in_order": np.array(found.in_order and found.arrived),
        "error": np.array(found.largest_error),
    }


def sweep_part(settings: Settings, *, perturbed: bool, tell: Tell) -> Arrays:
    """Do Soudry and Carmon's sweep.

    Returns
    -------
    dict of str to ndarray
        The table over the size of the data.
    """
    own = settings.protocol
    found = linear.soudry_carmon(
        trials=own.trials, iterations=own.iterations, perturbed=perturbed, seed=settings.seed, progress=tell
    )
    table = {str(name): np.asarray(column.values) for name, column in found.data.data_vars.items()}
    return table | {"ratio": np.asarray(found.data["ratio"].values)}


def paths_part(settings: Settings) -> Arrays:
    """Write a ReLU network as a sum over its paths, and once more with the product as the slides print it, which leaves out a factor.

    Returns
    -------
    dict of str to ndarray
        The number of paths, and the largest differences from the prediction, as parts of it.
    """
    net = MLP([5, 4, 3, 2], activation="relu", bias=False)
    theta = net.init(seed=settings.seed)
    x = np.random.default_rng(settings.seed).standard_normal((20, 5))
    printed = theta.copy()
    net.layers(printed)[-1][0][:] = 1.0
    right, sums = net.predict(theta, x), [relu_paths.forward(net, one, x) for one in (theta, printed)]
    errors = [float(np.abs(one - right).max() / np.abs(right).max()) for one in sums]
    return {"paths": np.array(relu_paths.count(net)), "error": np.array(errors[0]), "printed": np.array(errors[1])}


def open_part(settings: Settings, tell: Tell) -> Arrays:
    """Look for local minima above the global one, where the theorem does not hold: with l2, tanh and ReLU.

    Returns
    -------
    dict of str to ndarray
        For each, whether there is one for certain, with its loss and a lower one.
    """
    data = load_problem("random", settings.seed)
    penalised = linear.linear_objective(data.x, data.y, (4, 4), l2=PENALTY)
    zero = classify(penalised, np.zeros(penalised.num_params))
    lower = find_minima(penalised, starts=4, seed=settings.seed, steps=500, step_size=1e-3)
    tell(0.2)
    shallow = linear.linear_objective(data.x, data.y, 4, l2=PENALTY)
    ends = find_minima(shallow, starts=settings.protocol.starts, seed=settings.seed, steps=500, step_size=1e-3)
    shallow_values = np.array([one.value for one in ends.ends])
    tell(0.4)
    x, y = datasets.xor()
    bent = Objective(MLP([2, 2, 1]), x, y, l2=CENSUS_PENALTY)
    census = find_minima(bent, starts=settings.protocol.census, seed=settings.seed)
    worst = classify(bent, census.theta[-1])
    tell(0.9)
    dead = _dead(data.x, data.y)
    return {
        "zero_kind": np.array(zero.kind),
        "zero_certified": np.array(zero.certified),
        "zero_lowest": np.array(zero.eigenvalues[0]),
        "zero_value": np.array(zero.value),
        "zero_lower": np.array(min(one.value for one in lower.ends)),
        "shallow": shallow_values,
        "census_value": census.value,
        "census_counts": census.counts,
        "census_kind": np.array(worst.kind),
        "census_certified": np.array(worst.certified),
        **dead,
    }


def _dead(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Arrays:
    # The loss of a ReLU network none of whose units is active does not change in a neighbourhood: 1000 points of it are looked at.
    net = MLP([x.shape[1], 4, y.shape[1]], activation="relu")
    objective = Objective(net, x, y)
    generator = np.random.default_rng(0)
    weights = [(generator.standard_normal(shape), np.full(shape[0], DEAD)) for shape in net.shapes]
    theta = net.flatten([weights[0], (weights[1][0], y.mean(axis=0))])  # the best constant
    inner = slice(0, net.widths[1] * (net.widths[0] + 1))
    near = np.repeat(theta[None], 1000, axis=0)
    near[:, inner] += generator.uniform(-1, 1, near[:, inner].shape)
    values = objective.value(near)
    fit = linear.ols(np.column_stack([x, np.ones(len(x))]), y)
    return {
        "dead_value": np.array(objective.value(theta)),
        "dead_gradient": np.array(np.linalg.norm(objective.gradient(theta))),
        "dead_change": np.array(np.ptp(values)),
        "dead_least": np.array(_least_nearby(objective, theta)),
        "dead_lower": np.array(fit.value / len(x)),
    }


def _least_nearby(objective: Objective, theta: npt.NDArray[Any]) -> float:
    # The change of the loss to the lowest of 1000 points around, all parameters moved.
    generator = np.random.default_rng(1)
    near = theta + generator.uniform(-0.5, 0.5, (1000, len(theta)))
    return float(objective.value(near).min() - objective.value(theta))
