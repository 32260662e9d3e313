"""The scales that each layer needs, from the scales of the maps."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sqznet.errors import WeightsError
from sqznet.network.layers import Classifier, Conv, Network
from sqznet.quantization.description import Grid, Integers
from sqznet.quantization.plan import plan

from ..support import integer_networks, networks


def network(bypass: str = "", **options: Any) -> Network:
    made = networks.tensors(bypass=bypass, **options)
    return networks.network(made, f"squeezenet1_1_{bypass}_bypass" if bypass else None)


def test_each_convolution_reads_the_scales_that_the_one_before_wrote() -> None:
    net = network()
    integers = integer_networks.described(net)
    found = plan(net, integers)
    out = {name: conv.output_scales for name, conv in integers.convs.items()}
    assert found.convs.keys() == integers.convs.keys()
    deviations = np.array(integer_networks.STD)
    np.testing.assert_array_equal(
        found.convs["features.0"].input_scales, np.float32(1) / deviations.astype(np.float32)
    )
    for name, expected in {
        "features.3.squeeze": out["features.0"],  # through a pool
        "features.3.expand1x1": out["features.3.squeeze"],
        "features.3.expand3x3": out["features.3.squeeze"],
        "features.4.squeeze": out["features.3.expand1x1"] + out["features.3.expand3x3"],
        "classifier.1": out["features.12.expand1x1"] + out["features.12.expand3x3"],
    }.items():
        assert found.convs[name].input_scales == expected, name


def test_the_factor_of_a_sum_is_a_float32_quotient() -> None:
    net = network()
    integers = integer_networks.described(net)
    found = plan(net, integers)
    for name, conv in integers.convs.items():
        unit, grid = (np.array(a) for a in (conv.weight_scales, conv.output_scales))
        expected = unit / grid if name != "classifier.1" else unit
        assert expected.dtype == np.float32
        np.testing.assert_array_equal(found.convs[name].scale, expected)


def test_one_scale_serves_all_channels_of_a_half() -> None:
    net = network()
    integers = integer_networks.described(net, spread=False)
    scales = plan(net, integers).convs["features.4.squeeze"].input_scales
    assert len(set(scales)) == 2
    assert len(scales) == net.channels("features.3")


def test_a_border_holds_the_rounded_mean_and_otherwise_the_zero_point() -> None:
    net = network("complex")
    found = plan(net, integer_networks.described(net))
    assert found.convs["features.0"].border == bytes([104, 117, 124])
    assert found.convs["features.3.squeeze"].border == bytes(networks.STEM_CHANNELS)
    assert set(found.convs["features.4.squeeze"].border) == {60}
    assert set(found.convs["features.4.expand3x3"].border) == {0}
    assert found.sums["features.3"].around_zero == 0  # sums of a convolution
    assert found.sums["features.4"].around_zero == 60  # bytes of the sum before


def test_a_mean_outside_the_gray_levels_is_clipped_in_the_border() -> None:
    net = network()
    integers = integer_networks.described(net)._replace(mean=(-3.0, 0.5, 400.0))
    assert plan(net, integers).convs["features.0"].border == bytes([0, 0, 255])


def test_a_sum_has_a_factor_for_each_of_its_parts() -> None:
    net = network("complex")
    integers = integer_networks.described(net)
    found = plan(net, integers)
    grid = {name: np.array(added.scales) for name, added in integers.sums.items()}
    ones, threes, around = (
        integers.convs[f"features.3.{part}"] for part in ("expand1x1", "expand3x3", "bypass")
    )
    own = np.array(ones.output_scales + threes.output_scales)
    np.testing.assert_array_equal(found.sums["features.3"].fire, own / grid["features.3"])
    np.testing.assert_array_equal(
        found.sums["features.3"].around, np.array(around.weight_scales) / grid["features.3"]
    )
    np.testing.assert_array_equal(
        found.sums["features.4"].around, grid["features.3"] / grid["features.4"]
    )
    np.testing.assert_array_equal(found.maps["features.4"].scales, grid["features.4"])


def without(integers: Integers, name: str) -> Integers:
    convs = {key: conv for key, conv in integers.convs.items() if key != name}
    sums = {key: added for key, added in integers.sums.items() if key != name}
    return integers._replace(convs=convs, sums=sums)


def changed(integers: Integers, name: str, **fields: Any) -> Integers:
    convs = {**integers.convs, name: integers.convs[name]._replace(**fields)}
    return integers._replace(convs=convs)


MISFITS: dict[str, tuple[Callable[[Integers], Integers], str]] = {
    "a convolution is missing": (
        lambda it: without(it, "features.4.expand1x1"),
        r"nothing about features\.4\.expand1x1",
    ),
    "a sum is missing": (
        lambda it: without(it, "features.4"),
        r"nothing about the sum of features\.4",
    ),
    "an unknown convolution": (
        lambda it: it._replace(convs={**it.convs, "fc\n": it.convs["features.0"]}),
        r"fc\\n does not belong to the network",
    ),
    "an unknown sum": (
        lambda it: it._replace(sums={**it.sums, "features.3": it.sums["features.4"]}),
        r"features\.3 does not belong to the network",
    ),
    "too few biases": (
        lambda it: changed(it, "features.0", bias=array("i", [1])),
        r"bias of features\.0: 1 numbers, expected 6",
    ),
    "too many scales of weights": (
        lambda it: changed(it, "features.0", weight_scales=array("f", [1.0] * 7)),
        r"weight_scales of features\.0: 7 numbers, expected 6",
    ),
    "two scales of a map": (
        lambda it: changed(it, "features.0", output_scales=array("f", [1.0] * 2)),
        r"output_scales of features\.0: 2 numbers, expected 1 or 6",
    ),
    "no scale of a map": (
        lambda it: changed(it, "features.0", output_scales=array("f")),
        r"output_scales of features\.0: 0 numbers, expected 1 or 6",
    ),
    "several scales and further rounding": (
        lambda it: changed(it, "features.0", rounded=(Grid(1.0, 0, 255),)),
        r"features\.0 is rounded further, but has not one output scale",
    ),
    "further rounding of sums": (
        lambda it: changed(it, "classifier.1", rounded=(Grid(1.0, 0, 255),)),
        r"classifier\.1 is rounded further",
    ),
    "scales too far apart": (
        lambda it: changed(it, "features.0", output_scales=array("f", [1e-45])),
        r"the scales of features\.0 are too far apart",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_description_of_another_network_is_refused(name: str) -> None:
    change, message = MISFITS[name]
    net = network("simple")
    integers = integer_networks.described(net)
    plan(net, integers)
    with pytest.raises(WeightsError, match=message):
        plan(net, change(integers))


def test_sums_that_may_exceed_32_bits_are_refused() -> None:
    last = Conv("next", 1, 1, 1)
    narrow = Network("narrow", (Conv("conv", 1, 3), last), {})
    plan(narrow, integer_networks.described(narrow))
    wide = Network("wide", (Conv("conv", 40_000, 3), last), {})
    with pytest.raises(WeightsError, match="next has 40000 inputs, whose sum may exceed 32 bits"):
        plan(wide, integer_networks.described(wide))


def test_a_network_without_a_classifier_has_a_plan() -> None:
    made = networks.tensors()
    features = {name: made[name] for name in made if not name.startswith("classifier")}
    net = networks.network(features)
    found = plan(net, integer_networks.described(net))
    assert not any(isinstance(layer, Classifier) for layer in net.layers)
    assert len(found.convs) == 25
