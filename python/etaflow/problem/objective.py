"""The objective: the mean (or sum) of the losses of a network on data, and its derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array, check_int
from etaflow.problem import backprop, likelihood
from etaflow.problem.base import Problem
from etaflow.problem.operators import symmetric_operator

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse.linalg import LinearOperator

    from etaflow._checks import FloatArray
    from etaflow.problem.backprop import BackpropTrace


class Objective(Problem):
    """The cost f(θ) of a network on data, with exact derivatives.

    f(θ) = reduction of L_i(θ) over the observations, plus l2·‖θ‖², with L_i(θ) = L(y_i, h(x_i, θ)):

    ======= ============================================= ==============================================
    loss    L(y, ŷ)                                       factor against other conventions
    ======= ============================================= ==============================================
    square  ‖y − ŷ‖², summed over outputs, no ½           Finnoff's U, Sontag's E with
            (Fleischmann 2021, section 2.3.2)             ``reduction="sum"``; scikit-learn's
                                                          MLPRegressor is f/(2·outputs), Keras's and
                                                          PyTorch's mean squared error f/outputs, the
                                                          slides' E = f/2
    log     −y log ŷ − (1−y) log(1−ŷ), summed over        scikit-learn's and PyTorch's, for one output
            outputs; labels 0 or 1, logistic output
            (Fleischmann 2021, section 2.3.1)
    softmax −log softmax(ŷ)_y; labels 0, …, d_L − 1,      the same as theirs
            identity output
    ======= ============================================= ==============================================

    Parameters
    ----------
    net : MLP
        The network. "log" needs ``output="logistic"``, "softmax" needs ``output="identity"``: the loss is fused with
        the output and exact for any logit, never clipped.
    x : array_like, shape (n, d_0)
        The inputs. A float32 array makes everything float32; integers and lists become float64.
    y : array_like, shape (n,) or (n, d_L)
        The targets; for "softmax" the labels, shape (n,). They must be exact in the dtype of x.
    loss : {"square", "log", "softmax"}, default "square"
        The loss.
    reduction : {"mean", "sum"}, default "mean"
        Whether f is the mean or the sum of the losses.
    l2 : float, default 0
        The weight of ‖θ‖² (all parameters, no ½) in f. Value, gradient and Hessian include it; the losses, the sample
        gradients and their covariance are of the data alone.
    threads : int, optional
        How many threads the methods use; by default ETAFLOW_NUM_THREADS, OMP_NUM_THREADS or all available cores. The
        results do not depend on it.

    Attributes
    ----------
    net : MLP
        The network.
    x, y : ndarray
        Read-only copies of the data, y of shape (n, d_L), for "softmax" (n, 1).
    loss, reduction : str
        As given.
    l2 : float
        As given.
    threads : int
        As given; 0 for the default.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or y cannot be converted exactly to the dtype of x.
    ValueError
        If a shape, a name, a label or a number is wrong, the data is empty, or holds NaN or Inf.

    Notes
    -----
    Every method takes θ of shape (d,) or (runs, d), of the objective's dtype, and answers with the matching leading
    axis. All raise a TypeError for another dtype and a ValueError for another length, NaN or Inf.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([1, 1], bias=False)
    >>> f = ef.Objective(net, [[1], [2]], [1, 1])
    >>> float(f.value([2.0])), f.gradient([2.0]), f.sample_gradients([2.0])
    (5.0, array([7.]), array([[ 2.],
           [12.]]))
    >>> f.gradient_covariance([2.0])
    array([[25.]])
    """

    def value(self, theta: npt.ArrayLike) -> FloatArray:
        """Return f(θ).

        Returns
        -------
        scalar or ndarray, shape (runs,)
            The cost.
        """
        return self._call("value", theta)

    def losses(self, theta: npt.ArrayLike) -> FloatArray:
        """Return the loss L_i(θ) of every observation.

        Returns
        -------
        ndarray, shape (n,) or (runs, n)
            The losses.
        """
        return self._call("losses", theta)

    def accuracy(self, theta: npt.ArrayLike) -> FloatArray:
        """Return the share of observations that are classified correctly.

        For "log" every output must be on the label's side of 1/2 (ŷ >= 1/2 counts as 1); for "softmax" the largest output is the class. For "square" with
        one output, the prediction must lie on the target's side of the midpoint between the smallest and the largest
        target; with several outputs the largest output must be that of the largest target.

        Returns
        -------
        scalar or ndarray, shape (runs,)
            The share, between 0 and 1.
        """
        return self._call("accuracy", theta)

    def gradient(self, theta: npt.ArrayLike) -> FloatArray:
        """Return ∇f(θ) by backpropagation (Fleischmann 2021, Algorithm 1).

        Finnoff's mean field h(θ) is −∇f(θ) (Finnoff 1992, section 2).

        Returns
        -------
        ndarray, shape (d,) or (runs, d)
            The gradient.
        """
        return self._call("gradient", theta)

    def value_and_gradient(self, theta: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return f(θ) and ∇f(θ) for the cost of the gradient alone.

        Returns
        -------
        value : scalar or ndarray, shape (runs,)
            The cost.
        gradient : ndarray, shape (d,) or (runs, d)
            The gradient.
        """
        parameters = self.check_theta(theta)
        values, gradients = self.core.value_and_gradient(np.atleast_2d(parameters), threads=self.threads)
        return (values[0], gradients[0]) if parameters.ndim == 1 else (values, gradients)

    def sample_gradients(self, theta: npt.ArrayLike, indices: npt.ArrayLike | slice | None = None) -> FloatArray:
        """Return the gradient ∇L_i(θ) of every observation, or of those at `indices`.

        Parameters
        ----------
        theta : array_like, shape (d,) or (runs, d)
            The parameters.
        indices : slice or array_like of int, shape (m,), optional
            Which observations; by default all n of them. A chunk like ``slice(0, 1000)`` bounds the memory.

        Returns
        -------
        ndarray, shape (m, d) or (runs, m, d)
            The gradients.

        Raises
        ------
        TypeError
            If the indices are not integers.
        ValueError
            If an index is not in 0, …, n − 1.
        """
        if indices is None:
            return self._call("sample_gradients", theta, 0, self.n)
        chosen = _indices(indices, self.n)
        if len(chosen) and np.array_equal(chosen, np.arange(chosen[0], chosen[0] + len(chosen))):
            return self._call("sample_gradients", theta, int(chosen[0]), int(chosen[0]) + len(chosen))
        parameters = self.check_theta(theta)
        if len(chosen) == 0:
            return np.empty((*parameters.shape[:-1], 0, self.num_params), dtype=self.dtype)
        subset = Objective(self.net, self.x[chosen], self.y[chosen], loss=self.loss, threads=self.threads or None)
        return subset.sample_gradients(parameters)

    def weighted_gradient(self, theta: npt.ArrayLike, w: npt.ArrayLike) -> FloatArray:
        """Return Σ_i w_i ∇L_i(θ), without the reduction's factor and without l2.

        With independent w_i ~ N(0, 1/n), less their mean, it draws R(θ)^{1/2} dW without ever forming R.

        Parameters
        ----------
        theta : array_like, shape (d,) or (runs, d)
            The parameters.
        w : array_like, shape (n,) or (runs, n)
            The weights; one row per row of `theta`.

        Returns
        -------
        ndarray, shape (d,) or (runs, d)
            The weighted sum of the gradients.
        """
        parameters = self.check_theta(theta)
        weights = check_float_array("w", w, dtype=self.dtype, shape=(*parameters.shape[:-1], self.n))
        return self._call("weighted_gradient", parameters, np.atleast_2d(weights))

    def backprop_trace(self, theta: npt.ArrayLike, i: int, *, notation: str = "fleischmann") -> BackpropTrace:
        """Return z, x and δ of every layer for observation i, as Algorithm 1 computes them.

        Parameters
        ----------
        theta : array_like, shape (d,)
            The parameters of one run.
        i : int
            Which observation, 0 <= i < n.
        notation : {"fleischmann", "kawaguchi"}, default "fleischmann"
            The letters of the table: z, x, δ with biases (Fleischmann 2021, section 4.1), or s, x, δ with a node
            x_0 = 1 in every layer (the slides on Kawaguchi 2016).

        Returns
        -------
        BackpropTrace
            The table, and the gradient that it gives.
        """
        return backprop.trace(self, theta, i, notation)

    def noise_variance(self, theta: npt.ArrayLike) -> FloatArray:
        """Return σ̂² = Σ_i ‖y_i − ŷ_i‖²/(n·d_L), the maximum-likelihood variance (Fleischmann 2021, section 2.3.2).

        Returns
        -------
        scalar or ndarray, shape (runs,)
            The variance of the targets around the prediction, for the square loss.

        Raises
        ------
        ValueError
            If the loss is not "square".
        """
        return likelihood.noise_variance(self, theta)

    def predict_distribution(self, theta: npt.ArrayLike, x: npt.ArrayLike) -> Any:
        """Return the distribution of the target that the loss assumes, given x (Fleischmann 2021, section 2.3).

        Parameters
        ----------
        theta : array_like, shape (d,) or (runs, d)
            The parameters.
        x : array_like, shape (m, d_0)
            The inputs.

        Returns
        -------
        frozen distribution of scipy.stats
            For "log" ``bernoulli(ŷ)``, for "square" ``norm(ŷ, σ̂)`` with `noise_variance`, of shape (m, d_L) or
            (runs, m, d_L); for "softmax" ``multinomial(1, p)`` with the class probabilities p as last axis.
        """
        return likelihood.predict_distribution(self, theta, x)

    def noise_trace(self, theta: npt.ArrayLike) -> FloatArray:
        """Return tr R(θ) = (1/n) Σ_i ‖∇L_i − mean ∇L‖², without R: the size of the sampling noise.

        Returns
        -------
        scalar or ndarray, shape (runs,)
            The trace, in float64.

        Examples
        --------
        >>> import etaflow as ef
        >>> net = ef.MLP([1, 1], bias=False)
        >>> f = ef.Objective(net, [[1], [2]], [1, 1])
        >>> float(f.noise_trace([2.0]))
        25.0
        """
        return self._call("noise_trace", theta)

    def gradient_covariance(self, theta: npt.ArrayLike) -> FloatArray:
        """Return R(θ), the covariance of one observation's gradient: centred, divisor n.

        R^{ij} = 1/n Σ_k (∂_i L_k − ∂_i L̄)(∂_j L_k − ∂_j L̄) (Finnoff 1992, section 4). The sign printed there,
        (∂U − h) with h = −∇L̄, would give R + 4hhᵀ. The memory is bounded: n × d numbers are never held.

        Returns
        -------
        ndarray, shape (d, d) or (runs, d, d)
            The covariance, symmetric.
        """
        return self._call("gradient_covariance", theta)

    def covariance_factor(self, theta: npt.ArrayLike) -> FloatArray:
        """Return the thin factor F with R(θ) = F Fᵀ: the centred sample gradients as columns, over √n.

        It is one choice of R^{1/2} (Finnoff 1992, section 4), with as many columns as observations.

        Returns
        -------
        ndarray, shape (d, n) or (runs, d, n)
            The factor.
        """
        gradients = self.sample_gradients(theta)
        gradients -= gradients.mean(axis=-2, keepdims=True)
        gradients /= np.sqrt(self.dtype.type(self.n))
        return np.ascontiguousarray(np.swapaxes(gradients, -1, -2))

    def covariance_operator(self, theta: npt.ArrayLike) -> LinearOperator:
        """Return R(θ) as an operator that multiplies without forming the matrix.

        Parameters
        ----------
        theta : array_like, shape (d,)
            The parameters of one run.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of shape (d, d) and the objective's dtype.
        """
        return symmetric_operator(self, "covariance_vector", theta)

    def hessian(self, theta: npt.ArrayLike) -> FloatArray:
        """Return ∇²f(θ), exact. Finnoff's ∂h/∂θ is −∇²f.

        At a kink of ReLU or leaky ReLU σ'' counts as 0.

        Returns
        -------
        ndarray, shape (d, d) or (runs, d, d)
            The Hessian, symmetric.
        """
        return self._call("hessian", theta)

    def hessian_vector(self, theta: npt.ArrayLike, v: npt.ArrayLike) -> FloatArray:
        """Return ∇²f(θ)·v for about the cost of two gradients (Pearlmutter 1994).

        Parameters
        ----------
        theta : array_like, shape (d,) or (runs, d)
            The parameters.
        v : array_like
            The vector; the same shape as `theta`.

        Returns
        -------
        ndarray, shape (d,) or (runs, d)
            The product.
        """
        parameters = self.check_theta(theta)
        vectors = check_float_array("v", v, dtype=self.dtype, shape=parameters.shape)
        return self._call("hessian_vector", parameters, np.atleast_2d(vectors))

    def hessian_operator(self, theta: npt.ArrayLike) -> LinearOperator:
        """Return ∇²f(θ) as an operator that multiplies without forming the matrix.

        Parameters
        ----------
        theta : array_like, shape (d,)
            The parameters of one run.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of shape (d, d) and the objective's dtype.
        """
        return symmetric_operator(self, "hessian_vector", theta)

    def gauss_newton_operator(self, theta: npt.ArrayLike) -> LinearOperator:
        """Return the Gauss–Newton matrix as an operator: the reduction of J_iᵀ (∂²L_i/∂z²) J_i, plus 2·l2·I.

        J_i is the derivative of the pre-activations z of the output layer for "log" and "softmax", of the outputs
        themselves for "square" (Schraudolph 2002). It is positive semidefinite.

        Parameters
        ----------
        theta : array_like, shape (d,)
            The parameters of one run.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of shape (d, d) and the objective's dtype.
        """
        return symmetric_operator(self, "gauss_newton_vector", theta)


def _indices(indices: npt.ArrayLike | slice, n: int) -> npt.NDArray[np.int64]:
    if isinstance(indices, slice):
        return np.arange(n, dtype=np.int64)[indices]
    chosen = np.asarray(indices)
    if chosen.size == 0:
        return np.empty(0, dtype=np.int64)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
        raise TypeError(
            f"indices must be a slice or integers of shape (m,) (got {chosen.dtype} of shape {chosen.shape})"
        )
    for place in (int(np.argmin(chosen)), int(np.argmax(chosen))):
        check_int(f"indices[{place}]", int(chosen[place]), minimum=0, maximum=n - 1)
    return chosen.astype(np.int64)
