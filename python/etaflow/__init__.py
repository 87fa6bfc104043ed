"""etaflow: a laboratory for the training dynamics of multilayer perceptrons.

>>> import etaflow as ef
>>> x, y = ef.datasets.xor()
>>> net = ef.MLP([2, 3, 1])
>>> f = ef.Objective(net, x, y)
>>> runs = ef.descend(f, net.init(seed=0), steps=100, step_size=0.1)
>>> runs.theta.shape
(1, 13)

Every name is imported when it is first used, so that ``import etaflow`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etaflow import reproduce, theory
    from etaflow.diffusion.bands import Bands, predict_bands
    from etaflow.diffusion.escape import escape_times
    from etaflow.diffusion.escape_result import EscapeTimes
    from etaflow.diffusion.fluctuations import fluctuations
    from etaflow.diffusion.law import Fluctuations
    from etaflow.diffusion.linear_sde import simulate_linear_sde
    from etaflow.diffusion.modified import modified_equation, svag
    from etaflow.diffusion.stationary import Stationary, stability_threshold, stationary_covariance
    from etaflow.dynamics import schedules, stopping
    from etaflow.dynamics.descent import descend
    from etaflow.dynamics.flow import Flow, flow
    from etaflow.dynamics.generic import stochastic_gradient_method
    from etaflow.dynamics.runs import Runs, load
    from etaflow.faces import plots
    from etaflow.landscape import divergence, linear_networks, perceptron, relu_paths, symmetry
    from etaflow.landscape.classify import classify
    from etaflow.landscape.convexity import nonconvexity_witness
    from etaflow.landscape.minima.result import Minima
    from etaflow.landscape.minima.search import find_minima
    from etaflow.landscape.minima.stationary import find_stationary_points
    from etaflow.landscape.minima.stationary_result import StationaryPoints
    from etaflow.landscape.point import point_test
    from etaflow.landscape.polish import polish
    from etaflow.landscape.verdict.lower_bound import loss_lower_bound
    from etaflow.landscape.verdict.result import Verdict
    from etaflow.problem import datasets
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective

    __version__: str

__all__ = [
    "MLP",
    "Bands",
    "EscapeTimes",
    "Flow",
    "Fluctuations",
    "Minima",
    "Objective",
    "Runs",
    "Stationary",
    "StationaryPoints",
    "Verdict",
    "__version__",
    "classify",
    "datasets",
    "descend",
    "divergence",
    "escape_times",
    "find_minima",
    "find_stationary_points",
    "flow",
    "fluctuations",
    "linear_networks",
    "load",
    "loss_lower_bound",
    "modified_equation",
    "nonconvexity_witness",
    "perceptron",
    "plots",
    "point_test",
    "polish",
    "predict_bands",
    "relu_paths",
    "reproduce",
    "schedules",
    "simulate_linear_sde",
    "stability_threshold",
    "stationary_covariance",
    "stochastic_gradient_method",
    "stopping",
    "svag",
    "symmetry",
    "theory",
]

# Where each public name lives: "module" is the module itself, "module:name" an object in it.
_HOMES = {
    "Bands": "diffusion.bands:Bands",
    "EscapeTimes": "diffusion.escape_result:EscapeTimes",
    "Flow": "dynamics.flow:Flow",
    "Fluctuations": "diffusion.law:Fluctuations",
    "MLP": "problem.network:MLP",
    "Minima": "landscape.minima.result:Minima",
    "Objective": "problem.objective:Objective",
    "Runs": "dynamics.runs:Runs",
    "Stationary": "diffusion.stationary:Stationary",
    "StationaryPoints": "landscape.minima.stationary_result:StationaryPoints",
    "Verdict": "landscape.verdict.result:Verdict",
    "classify": "landscape.classify:classify",
    "datasets": "problem.datasets",
    "descend": "dynamics.descent:descend",
    "divergence": "landscape.divergence",
    "escape_times": "diffusion.escape:escape_times",
    "find_minima": "landscape.minima.search:find_minima",
    "find_stationary_points": "landscape.minima.stationary:find_stationary_points",
    "flow": "dynamics.flow:flow",
    "fluctuations": "diffusion.fluctuations:fluctuations",
    "linear_networks": "landscape.linear_networks",
    "load": "dynamics.runs:load",
    "loss_lower_bound": "landscape.verdict.lower_bound:loss_lower_bound",
    "modified_equation": "diffusion.modified:modified_equation",
    "nonconvexity_witness": "landscape.convexity:nonconvexity_witness",
    "perceptron": "landscape.perceptron",
    "plots": "faces.plots",
    "point_test": "landscape.point:point_test",
    "polish": "landscape.polish:polish",
    "predict_bands": "diffusion.bands:predict_bands",
    "relu_paths": "landscape.relu_paths",
    "reproduce": "reproduce",
    "schedules": "dynamics.schedules",
    "simulate_linear_sde": "diffusion.linear_sde:simulate_linear_sde",
    "stability_threshold": "diffusion.stationary:stability_threshold",
    "stationary_covariance": "diffusion.stationary:stationary_covariance",
    "stochastic_gradient_method": "dynamics.generic:stochastic_gradient_method",
    "stopping": "dynamics.stopping",
    "svag": "diffusion.modified:svag",
    "symmetry": "landscape.symmetry",
    "theory": "theory",
}


def _lookup(name: str) -> Any:
    if name == "__version__":
        return import_module("etaflow._core").build_info()["version"]
    if name not in _HOMES:
        raise AttributeError(f"module 'etaflow' has no attribute {name!r}")
    module_name, _, attribute = _HOMES[name].partition(":")
    module = import_module(f"etaflow.{module_name}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value  # the next use finds it at once
    return value


if not TYPE_CHECKING:  # type checkers take the imports above, and see an unknown name as what it is
    __getattr__ = _lookup


def __dir__() -> list[str]:
    return __all__
