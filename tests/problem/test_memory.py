"""Memory is bounded by chunks: nothing of size n × d is ever held, except where that is the result."""

import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
import resource
import numpy as np
import etaflow as ef

def peak():  # MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

n = 200_000
net = ef.MLP([4, 15, 1])
x = np.random.default_rng(0).normal(size=(n, 4))
f = ef.Objective(net, x, x[:, 0])
theta = net.init(seed=0)
f.gradient(theta[None])
before = peak()
result = {call}
print(peak() - before, n * net.num_params * 8 / 2**20, np.asarray(result).nbytes / 2**20)
"""


@pytest.mark.parametrize(
    "call",
    [
        "f.gradient_covariance(theta)",
        "f.covariance_operator(theta) @ theta",
        "f.hessian(theta)",
        "f.hessian_vector(theta, theta)",
        "f.gradient(np.repeat(theta[None], 8, 0))",
        "f.weighted_gradient(theta, np.ones(n))",
        "f.sample_gradients(theta, slice(1000, 2000))",
    ],
)
def test_no_memory_of_size_n_times_d(call: str) -> None:
    """n·d numbers would be 139 MiB; what is held beyond the result stays below a fifth of that."""
    script = textwrap.dedent(SCRIPT).replace("{call}", call)
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    used, forbidden, result = map(float, output.split())
    assert forbidden > 130
    assert used < result + forbidden / 5
