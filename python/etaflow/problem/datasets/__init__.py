"""Data sets: functions that return inputs x (n, d_0) and targets y (n,) or (n, m) as C-contiguous float64 arrays.

Examples
--------
>>> from etaflow.problem import datasets
>>> x, y = datasets.digits(3, 6)
>>> x.shape, x.dtype, sorted(set(y.tolist()))
((364, 64), dtype('float64'), [0.0, 1.0])
"""

from etaflow.problem.datasets.files import read, read_csv, read_npz, read_parquet
from etaflow.problem.datasets.finnoff_sets import finnoff, finnoff_problem
from etaflow.problem.datasets.idx import MissingFileError, read_idx
from etaflow.problem.datasets.images import digits, mnist
from etaflow.problem.datasets.playground_sets import playground, playground_features
from etaflow.problem.datasets.scaling import Standardizer, standardize
from etaflow.problem.datasets.synthetic import SyntheticProblem, circles, teacher, teacher_problem, xor
from etaflow.problem.datasets.tabular import california_housing, iris_pair

__all__ = [
    "MissingFileError",
    "Standardizer",
    "SyntheticProblem",
    "california_housing",
    "circles",
    "digits",
    "finnoff",
    "finnoff_problem",
    "iris_pair",
    "mnist",
    "playground",
    "playground_features",
    "read",
    "read_csv",
    "read_idx",
    "read_npz",
    "read_parquet",
    "standardize",
    "teacher",
    "teacher_problem",
    "xor",
]
