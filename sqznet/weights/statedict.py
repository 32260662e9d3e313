"""Finds a SqueezeNet among named tensors, whatever else is there.

Files of training programs hold networks behind any prefix, optimizers, counters, the weights of a
loss, and often two copies: the weights and their average over the training. A copy is recognized by
the names of its trunk (see `sqznet.weights.layouts`); its classifier is beside the trunk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sqznet.errors import MAX_SHOWN, WeightsError, listed, printable, shown
from sqznet.network.variants import TOPOLOGIES
from sqznet.weights import layouts
from sqznet.weights.checkpoint import RawTensor, is_ignored
from sqznet.weights.state import Parameter, State

# What a classifier is called, beside its trunk.
_CLASSIFIER = re.compile(
    r"(?:(?:classifier|head)(?:\.\d)?|(?:output\.|classifier\.)?(?:final_conv|conv10|conv_final)|"
    r"last_conv|(?:head\.)?fc|last_linear|linear|output)"
)

# Copies that hold the average of the weights over the training.
_AVERAGED = re.compile(
    r"(?:^|[^a-z])(?:ema|swa|averaged?|avg|shadow|polyak)(?:[^a-z]|$)", re.IGNORECASE
)

# pytorchcv's SqueezeResNet has the same tensors as its SqueezeNet.
_RESNET_FILE = re.compile(r"sq(?:ueeze)?resnet", re.IGNORECASE)

_FIRE_PARTS = ("squeeze", "expand1x1", "expand3x3")

# Names in the line that says what was left out.
_MAX_NAMED = 4


class _Copy(NamedTuple):
    """One network in the file.

    prefix: the name of the module around it. parameters: by torchvision's names. own: the file's
    names of the expected tensors. inside: other tensors within its modules.
    """

    prefix: str
    layout: str
    base: str
    parameters: dict[str, Parameter]
    own: dict[str, str]
    inside: list[str]

    @property
    def lacks(self) -> list[str]:
        return [own for name, own in self.own.items() if name not in self.parameters]

    @property
    def has_classifier(self) -> bool:
        return "classifier.1.weight" in self.own

    def values(self, entries: Mapping[str, Any]) -> list[Any]:
        return [
            entries[name]
            for parameter in self.parameters.values()
            for name in parameter.roles.values()
        ]


def find(
    entries: Mapping[str, Any],
    raw: Callable[[Parameter], RawTensor],
    prefix: str | None = None,
    file: str = "",
) -> State:
    """The network among entries: tensors, which have a shape, and other things.

    raw(parameter) gives the tensor of a weight or bias.
    prefix: the name of the module to take, if there are several; else the averaged one is taken.
    If there is no whole network, what there is; `network_for` says what is missing.
    Raises WeightsError if other tensors are inside the network, something else is in the place of
    a weight, or it is not clear which of several networks is meant.
    """
    copies = _copies(entries)
    if prefix is not None:
        copies = _named(copies, prefix)
    whole = [copy for copy in copies if not copy.lacks]
    if not whole:
        return _partial(copies, entries, raw)
    chosen, choice = _chosen(whole, entries)
    if chosen.inside:
        raise WeightsError(
            f"{shown(chosen.inside[0])}{_and_more(len(chosen.inside) - 1)} does not belong to a "
            f"{chosen.base}"
        )
    tensors = {name: raw(parameter) for name, parameter in chosen.parameters.items()}
    classifier = tensors.get("classifier.1.weight")
    is_linear = classifier is not None and len(classifier.shape) == 2
    if classifier is not None and is_linear:
        tensors["classifier.1.weight"] = RawTensor(
            classifier.dtype,
            (*classifier.shape, 1, 1),
            classifier.data,
            classifier.scales,
            classifier.input_scales,
        )
    used = {name for parameter in chosen.parameters.values() for name in parameter.roles.values()}
    is_residual = chosen.layout == "pytorchcv" and _RESNET_FILE.search(file)
    variant = f"{chosen.base}_simple_bypass" if is_residual else None
    return State(tensors, chosen.own, choice, _left_out(entries, used), variant, is_linear)


def _partial(
    copies: list[_Copy], entries: Mapping[str, Any], raw: Callable[[Parameter], RawTensor]
) -> State:
    """What is left of a network, or all tensors if nothing is."""
    others = [name for name, value in entries.items() if hasattr(value, "shape")]
    parameters: dict[str, Parameter] = {}
    own: dict[str, str] = {}
    if copies:
        best = min(copies, key=lambda copy: len(copy.lacks))
        parameters, own, others = best.parameters, best.own, best.inside
    parameters |= {name: Parameter(name, {"": name}) for name in others if not is_ignored(name)}
    return State({name: raw(parameter) for name, parameter in parameters.items()}, own)


# --- Copies of the network -----------------------------------------------------------------------


# For each layer, by its name: the names of "weight" and "bias" by role.
_Layers = dict[str, dict[str, dict[str, str]]]


def _copies(entries: Mapping[str, Any]) -> list[_Copy]:
    """Every group of tensors with at least a part of a fire."""
    layers: _Layers = {}
    for name in entries:
        if found := layouts.taken_apart(name):
            layers.setdefault(found.layer, {}).setdefault(found.parameter, {})[found.role] = name
    trunks: dict[tuple[str, str], dict[layouts.Place, str]] = {}
    for layer in layers:
        if place := layouts.place(layer):
            trunks.setdefault((place.scope, place.layout), {})[place] = layer
    return [
        _copy(scope, layout, places, layers, entries)
        for (scope, layout), places in trunks.items()
        if any(place.part for place in places)
    ]


def _copy(
    scope: str,
    layout: str,
    places: Mapping[layouts.Place, str],
    layers: _Layers,
    entries: Mapping[str, Any],
) -> _Copy:
    base = _base(scope, layout, places, layers, entries)
    named: dict[str, str] = {}  # the file's name of each layer by torchvision's
    own: dict[str, str] = {}
    for unit, number in layouts.numbered(layout, base).items():
        for part in (*_FIRE_PARTS, "bypass") if number else ("",):
            name = f"features.{number}{'.' * bool(part)}{part}"
            layer = places.get(layouts.Place(scope, layout, unit, part))
            if layer is not None:
                named[name] = layer
            elif part == "bypass":
                continue
            stored = layer or layouts.layer_name(scope, layout, unit, part)
            own |= {f"{name}.{kind}": f"{stored}.{kind}" for kind in ("weight", "bias")}
    around = layouts.module_around(scope)
    classifier = _classifier((around, scope), layers)
    if classifier is not None:
        named["classifier.1"] = classifier
        own |= {f"classifier.1.{kind}": f"{classifier}.{kind}" for kind in ("weight", "bias")}
    parameters = {
        f"{name}.{kind}": Parameter(f"{layer}.{kind}", roles)
        for name, layer in named.items()
        for kind, roles in layers[layer].items()
    }
    modules = {_module(name, scope) for name in places.values()}
    if classifier is not None:
        modules.add(_module(classifier, around if classifier.startswith(around) else scope))
    used = {name for parameter in parameters.values() for name in parameter.roles.values()}
    inside = [
        name
        for name, value in entries.items()
        if name not in used
        and _shape(value)
        and ((scope and name.startswith(scope)) or name.startswith(tuple(modules)))
    ]
    return _Copy(around.rstrip("."), layout, base, parameters, own, inside)


def _base(
    scope: str,
    layout: str,
    places: Mapping[layouts.Place, str],
    layers: _Layers,
    entries: Mapping[str, Any],
) -> str:
    """The variant that the names are most like; the stem's kernel decides where they tell none."""
    units = {place.unit for place in places if place.part}
    stem = places.get(layouts.Place(scope, layout, (0,) if layout == "torchvision" else (), ""))
    roles = layers[stem].get("weight", {}) if stem else {}
    kernels = {_shape(entries[name])[-1:] for name in roles.values()}

    def likeness(base: str) -> tuple[int, bool]:
        expected = set(layouts.numbered(layout, base))
        return -len(units ^ expected), (TOPOLOGIES[base].kernel,) in kernels

    return max(TOPOLOGIES, key=likeness)


def _shape(value: object) -> tuple[int, ...]:
    """() for what is not a tensor."""
    shape: tuple[int, ...] = getattr(value, "shape", ())
    return shape


def _classifier(starts: Iterable[str], layers: _Layers) -> str | None:
    for start in starts:
        for layer in layers:
            if layer.startswith(start):
                names = layer[len(start) :].split(".")
                plain = ".".join(name for name in names if name not in layouts.WRAPPERS)
                if _CLASSIFIER.fullmatch(plain) and "weight" in layers[layer]:
                    return layer
    return None


def _module(layer: str, around: str) -> str:
    """The start of the names in the module of `around` that has the layer."""
    return f"{around}{layer[len(around) :].split('.')[0]}."


# --- Choosing ------------------------------------------------------------------------------------


def _named(copies: list[_Copy], prefix: str) -> list[_Copy]:
    wanted = prefix.rstrip(".")
    found = [copy for copy in copies if copy.prefix == wanted]
    found = found or [copy for copy in copies if copy.prefix.endswith(f".{wanted}")]
    found = found or [copy for copy in copies if copy.prefix.startswith(f"{wanted}.")]
    if not found:
        places = f", but at {_listed(copies)}" if copies else ""
        raise WeightsError(f"holds no SqueezeNet at {shown(prefix)}{places}")
    return found


def _chosen(copies: list[_Copy], entries: Mapping[str, Any]) -> tuple[_Copy, str]:
    """The copy to take, and a line about the choice if there was one."""
    copies = [copy for copy in copies if copy.has_classifier] or copies
    first = copies[0].values(entries)
    if all(copy.values(entries) == first for copy in copies[1:]):
        return copies[0], ""
    averaged = [copy for copy in copies if _AVERAGED.search(copy.prefix)]
    if len(averaged) != 1:
        raise WeightsError(
            f"holds {len(copies)} networks, at {_listed(copies)}; name the one to take with prefix="
        )
    others = _listed([copy for copy in copies if copy is not averaged[0]])
    return averaged[0], (
        f"took the averaged weights at {shown(averaged[0].prefix)}, not those at {others}; "
        "prefix= names others"
    )


def _listed(copies: list[_Copy]) -> str:
    return listed([shown(copy.prefix) for copy in copies], _MAX_NAMED)


def _and_more(count: int) -> str:
    return f" and {count} more tensor{'s' * (count > 1)}" if count else ""


def _left_out(entries: Mapping[str, Any], used: set[str]) -> str:
    """One line about what is not part of the network; "" if everything is."""
    kept: set[str] = set()
    for name in used:
        at = -1
        while (at := name.find(".", at + 1)) >= 0:
            kept.add(name[:at])
    left: dict[str, None] = {}
    for name in entries:
        if name in used or is_ignored(name):
            continue
        at = name.find(".")
        while at >= 0 and name[:at] in kept:
            at = name.find(".", at + 1)
        left[name if at < 0 else name[:at]] = None
    if not left:
        return ""
    names = [printable(name, MAX_SHOWN) for name in left]
    return f"left out what is not the network: {listed(names, _MAX_NAMED)}"
