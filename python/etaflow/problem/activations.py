"""The activation functions by name, and the specifications that choose them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from etaflow._checks import check_choice, check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

ActivationSpec: TypeAlias = "str | Activation | tuple[str, float | Mapping[str, float]]"

ACTIVATIONS = ("identity", "logistic", "tanh", "arctan", "relu", "leaky_relu", "softplus", "gelu", "sin")

# The one parameter that some activations take: its name and its default.
_PARAMETERS = {"relu": ("at_zero", 1.0), "leaky_relu": ("slope", 0.1)}


@dataclass(frozen=True)
class Activation:
    """An activation function σ with its parameter filled in.

    ========== ===================== =============================================================
    name       σ(z)                  parameter
    ========== ===================== =============================================================
    identity   z
    logistic   1/(1 + exp(−z))
    tanh       tanh z
    arctan     (2/π) arctan z        (Sontag and Sussmann 1988, section 2)
    relu       max(z, 0)             ``at_zero``: σ'(0), 1 by default (Fleischmann 2021, Table 3.2
                                     and section 3.2); the frameworks' convention is 0
    leaky_relu z or slope·z, z < 0   ``slope``: 0.1 by default (Fleischmann 2021, Table 2.1); σ'(0) = 1
    softplus   log(1 + exp z)
    gelu       z·Φ(z)                Φ the standard normal distribution function
    sin        sin z
    ========== ===================== =============================================================

    Attributes
    ----------
    name : str
        One of the names of the table.
    parameter : float
        The parameter; 0 for an activation that has none.
    """

    name: str
    parameter: float = 0.0

    @property
    def spec(self) -> str | tuple[str, dict[str, float]]:
        """The shortest specification that gives this activation.

        Examples
        --------
        >>> Activation("relu", 1.0).spec, Activation("relu", 0.0).spec
        ('relu', ('relu', {'at_zero': 0.0}))
        """
        parameter_name, default = _PARAMETERS.get(self.name, ("", 0.0))
        return self.name if self.parameter == default else (self.name, {parameter_name: self.parameter})


def parse_activation(name: str, spec: object) -> Activation:
    """Return the activation that `spec` means.

    Parameters
    ----------
    name : str
        The argument's name, for messages.
    spec : str or (str, float) or (str, dict)
        A name; or a name with its parameter, as in ``("leaky_relu", 0.01)``, ``("leaky_relu", {"slope": 0.01})`` or
        ``("relu", {"at_zero": 0})``.

    Returns
    -------
    Activation
        The activation with its parameter filled in.

    Raises
    ------
    TypeError
        If the specification is of another form, or the activation has no parameter.
    ValueError
        If the name or the parameter is unknown, or the parameter's value is out of range.

    Examples
    --------
    >>> parse_activation("activation", ("relu", {"at_zero": 0}))
    Activation(name='relu', parameter=0.0)
    """
    if isinstance(spec, Activation):
        spec = (spec.name, spec.parameter) if spec.name in _PARAMETERS else spec.name
    if not _is_pair(spec):
        known = check_choice(name, spec, ACTIVATIONS)
        return Activation(known, _PARAMETERS.get(known, ("", 0.0))[1])
    known, value = check_choice(name, spec[0], ACTIVATIONS), spec[1]
    if known not in _PARAMETERS:
        raise TypeError(f"{name} {known!r} takes no parameter (got {spec!r})")
    parameter_name = _PARAMETERS[known][0]
    if isinstance(value, Mapping):
        if list(value) != [parameter_name]:
            raise ValueError(f"{name} {known!r} takes the one parameter {parameter_name!r} (got {dict(value)!r})")
        value = value[parameter_name]
    number = check_number(f"{parameter_name} of {name} {known!r}", value)
    if known == "relu" and not 0 <= number <= 1:
        raise ValueError(f"at_zero of {name} 'relu' must be a slope between 0 and 1 (got {number:g})")
    return Activation(known, number)


def parse_hidden(spec: object, hidden_layers: int) -> tuple[Activation, ...]:
    """Return one activation per hidden layer.

    Parameters
    ----------
    spec : activation or sequence of activations
        One specification for all hidden layers, or one per layer.
    hidden_layers : int
        How many hidden layers the network has.

    Returns
    -------
    tuple of Activation
        The activations of layers 1, …, `hidden_layers`.

    Raises
    ------
    ValueError
        If a sequence has another length.
    """
    if isinstance(spec, str | Activation) or _is_pair(spec) or not isinstance(spec, list | tuple):
        return (parse_activation("activation", spec),) * hidden_layers
    if len(spec) != hidden_layers:
        raise ValueError(
            f"activation must be one name or one per hidden layer: {hidden_layers} (got {len(spec)}: {list(spec)!r})"
        )
    return tuple(parse_activation(f"activation[{layer}]", entry) for layer, entry in enumerate(spec))


def _is_pair(spec: object) -> TypeGuard[tuple[str, object]]:
    """Return whether `spec` is a name with a parameter, and not a list of two names.

    Returns
    -------
    bool
        True for ``("relu", {"at_zero": 0})``, False for ``("tanh", "relu")``.
    """
    return isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], str) and _is_parameter(spec[1])


def _is_parameter(value: object) -> bool:
    return not isinstance(value, str | tuple | list | Activation)


def shown(activations: Sequence[Activation]) -> str:
    """Return how the hidden activations are written in a call of MLP: one specification if all are the same.

    Returns
    -------
    str
        The text.
    """
    return repr(activations[0].spec if len(set(activations)) == 1 else [a.spec for a in activations])
