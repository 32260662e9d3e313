"""Small SqueezeNets as lists of layers, for the formats that store networks as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqznet.network import variants
from sqznet.weights import recognition
from sqznet.weights.recognition import Layer

Array = Any


def caffe_names(base: str) -> dict[str, str]:
    """Caffe's name of each layer that can have weights, by torchvision's name."""
    names = {"features.0": "conv1", "classifier.1": "conv10"}
    for number, position in enumerate(variants.TOPOLOGIES[base].fires, 2):
        for part, suffix in (
            ("squeeze", "squeeze1x1"),
            ("expand1x1", "expand1x1"),
            ("expand3x3", "expand3x3"),
            ("bypass", "bypass"),
        ):
            names[f"features.{position}.{part}"] = f"fire{number}/{suffix}"
    return names


def squeezenet(
    made: Mapping[str, Array],
    base: str = "squeezenet1_1",
    bypass: str = "",
    conv1_padding: int = 0,
    conv10_padding: int = 0,
    ceil_mode: bool = True,
    softmax: bool = True,
    fused: bool = False,
) -> list[Layer]:
    """The layers of `networks.tensors(base, bypass=bypass)`; each blob has its layer's name.

    fused: whether a convolution includes its ReLU.
    """
    names = caffe_names(base)
    layers = [Layer("data", recognition.INPUT, outputs=("data",))]

    def conv(own: str, blob: str, padding: int = 0, stride: int = 1, relu: bool = True) -> str:
        name, shape = names[own], made[f"{own}.weight"].shape
        channels, kernel = shape[0], shape[2]
        layers.append(
            Layer(
                name,
                recognition.CONV,
                (blob,),
                (name,),
                channels,
                kernel,
                stride,
                padding,
                relu=relu and fused,
            )
        )
        if fused or not relu:
            return name
        layers.append(Layer(f"relu_{name}", recognition.RELU, (name,), (f"relu_{name}",)))
        return f"relu_{name}"

    def add(kind: str, name: str, *blobs: str, **settings: Any) -> str:
        layers.append(Layer(name, kind, blobs, (name,), **settings))
        return name

    topology = variants.TOPOLOGIES[base]
    blob = conv("features.0", "data", conv1_padding, stride=2)
    for position in sorted(topology.fires + topology.pools):
        if position in topology.pools:
            blob = add(
                recognition.MAX_POOL,
                f"pool{position}",
                blob,
                kernel=3,
                stride=2,
                ceil_mode=ceil_mode,
            )
            continue
        own, around = f"features.{position}", blob
        squeezed = conv(f"{own}.squeeze", blob)
        halves = conv(f"{own}.expand1x1", squeezed), conv(f"{own}.expand3x3", squeezed, 1)
        blob = add(recognition.CONCAT, f"concat{position}", *halves)
        keeps = topology.fires.index(position) in variants.SIMPLE_BYPASS
        if bypass and keeps:
            blob = add(recognition.ADD, f"add{position}", around, blob)
        elif bypass == "complex":
            other = conv(f"{own}.bypass", around, relu=False)
            blob = add(recognition.ADD, f"add{position}", blob, other)
    blob = add(recognition.SAME, "drop9", blob)
    blob = conv("classifier.1", blob, conv10_padding)
    blob = add(recognition.AVERAGE, "pool10", blob)
    if softmax:
        add(recognition.SOFTMAX, "prob", blob)
    return layers
