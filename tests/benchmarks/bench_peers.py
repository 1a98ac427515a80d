"""Registrations of the OAI pair, both ways, of the samples and of other shapes, by this project and others.

    python tests/benchmarks/bench_peers.py --peers PYTHON [--methods greedy,...] [--pairs known,...]

PYTHON is the interpreter of an environment with antspyx 0.6.3, picsl-greedy and itk-elastix, which need other
versions of NumPy and ITK than this project; `make bench-registration` makes it. ANTs and Greedy start from
the affine map of `shapereg register --model affine`: left to themselves they do not find these knees. elastix
starts from moments. These get the volumes cropped to their labels with 15 mm around them, and binned to near
cubes (2 x 2 x 1 voxels of the OAI pair, whose full resolution takes them minutes); this project gets the
whole ones. All are judged on the whole fixed grid by evaluate_registration.py. Every method runs in a process
of its own on the same cores, measured from its start until its files are written. Prints a table of accuracy,
regularity, time and memory, for the pair whose deformation is known its error, too, and writes `peers.json`
into FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk
from known_error import known_error
from shapes import other_shapes

from napari_shapereg import read_labels
from napari_shapereg.quality import regularity
from napari_shapereg.transforms import chain, read_transform, write_transform
from napari_shapereg.transforms.matrices import write_matrix
from napari_shapereg.volumes import write_labels

HERE = Path(__file__).resolve().parent
SHAPEREG = Path(sys.executable).parent / "shapereg"
OURS = ("fast", "balanced", "accurate")
PEERS = ("ants_syn", "ants_synquick", "greedy", "elastix")
MARGIN = 15.0
COLUMNS = (
    *("method", "pair", "Dice", "ASSD mm", "HD95 mm", "HD mm"),
    *("det J", "log det J, s.d.", "folded", "off along / across normals, mm", "s", "MB"),
)


def main():
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    pairs, rows = _pairs(options.shared / "data" / "oai", options.output / "shapes"), []
    _run("fast", "samples", *pairs["samples"], options)  # Compiles.
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for pair in options.pairs.split(",") if options.pairs else pairs:
        for method in options.methods.split(","):
            rows.append(_run(method, pair, *pairs[pair], options))
            print("| " + " | ".join(_cells(rows[-1])) + " |", flush=True)
    (options.output / "peers.json").write_text(
        json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=2) + "\n"
    )


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--methods", default=",".join((*OURS, *PEERS)))
    parser.add_argument("--pairs", help="default: all")
    parser.add_argument("--output", type=Path, default=Path("bench_output"))
    parser.add_argument("--shared", type=Path, default=HERE.parents[2] / "shared")
    return parser.parse_args()


def _pairs(oai, folder):
    """Return the files of the moving and of the fixed volume, by the name of the pair."""
    folder.mkdir(exist_ok=True)
    first, second = (oai / f"OAI_{name}.nii.gz" for name in "ab")
    samples = HERE.parents[1] / "sample_volumes"
    others = {
        pair: tuple(
            write_labels(volume, folder / f"{pair}_{name}.nii.gz")
            for name, volume in zip(("moving", "fixed"), volumes, strict=True)
        )
        for pair, volumes in other_shapes().items()
    }
    return {
        "a onto b": (first, second),
        "b onto a": (second, first),
        "samples": (samples / "knee_a.nii.gz", samples / "knee_b.nii.gz"),
        "known": (samples / "known_moving.nii.gz", samples / "known_fixed.nii.gz"),
        **others,
    }


def _run(method, pair, moving, fixed, options):
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder:
        row, transform = _measure(method, moving, fixed, Path(folder), options)
    volume = read_labels(fixed)
    row["log_jacobian_deviation"] = regularity(transform, volume.grid).log_deviation
    row["off"] = known_error(transform, volume) if pair == "known" else None
    return {"pair": pair, **row}


def _measure(method, moving, fixed, folder, options):
    if method in OURS:
        command = [SHAPEREG, "register", moving, fixed, "-o", folder / "out", "--preset", method, "--quiet"]
    else:
        _write_start(moving, fixed, folder)
        images = _lightened(moving, folder / "moving.nii.gz"), _lightened(fixed, folder / "fixed.nii.gz")
        command = [options.peers, HERE / "one_peer.py", method, *images, folder]
    seconds, megabytes = _timed(command)
    if method in OURS:
        total = folder / "out" / "fixed_to_moving.h5"
    else:
        files = json.loads((folder / "files.json").read_text())
        total = write_transform(chain(*map(read_transform, files)), folder / "total.h5")
    judge = [
        *(sys.executable, options.shared / "tools" / "evaluate_registration.py", "--fixed", fixed),
        *("--moving", moving, "--transform", total),
    ]
    row = {
        "method": method,
        "seconds": seconds,
        "megabytes": megabytes,
        "verdict": json.loads(subprocess.check_output([str(part) for part in judge])),
    }
    return row, read_transform(total)


def _write_start(moving, fixed, folder):
    command = [
        SHAPEREG,
        "register",
        moving,
        fixed,
        "-o",
        folder / "start",
        "--model",
        "affine",
        "--no-report",
        "--quiet",
    ]
    subprocess.run([str(part) for part in command], check=True)
    total = read_transform(folder / "start" / "fixed_to_moving.h5")
    affine = sitk.AffineTransform(
        total if total.GetName() != "CompositeTransform" else total.GetNthTransform(0)
    )
    sitk.WriteTransform(affine, str(folder / "start.mat"))
    write_matrix(affine, folder / "start_greedy.mat")


def _lightened(volume, path):
    """Write what users of the peers would give them: the labels with room for the flow, in near cubes."""
    image = sitk.ReadImage(str(volume))
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(image != 0)
    box, spacing = shape.GetBoundingBox(1), image.GetSpacing()
    margins = [round(MARGIN / length) for length in spacing]
    low = [max(first - margin, 0) for first, margin in zip(box[:3], margins, strict=True)]
    high = [
        min(first + length + margin, size)
        for first, length, margin, size in zip(box[:3], box[3:], margins, image.GetSize(), strict=True)
    ]
    cropped = sitk.RegionOfInterest(image, [end - begin for begin, end in zip(low, high, strict=True)], low)
    bins = [round(max(spacing) / length) for length in spacing]
    shape.Execute(image)
    shrunk = 0
    for label in shape.GetLabels():
        part = sitk.BinShrink(sitk.Cast(cropped == label, sitk.sitkFloat32), bins)
        shrunk = sitk.Cast(part >= 0.5, sitk.sitkUInt8) * label + shrunk
    sitk.WriteImage(shrunk, str(path))
    return path


def _timed(command):
    began = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} ended with status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _cells(row):
    labels, jacobian = row["verdict"]["labels"].values(), row["verdict"]["jacobian"]
    return [
        *(row["method"], row["pair"]),
        *(" / ".join(f"{label[name]:.3g}" for label in labels) for name in ("dice", "assd", "hd95", "hd")),
        f"{jacobian['min']:.3f} to {jacobian['max']:.0f}",
        f"{row['log_jacobian_deviation']:.2f}",
        f"{jacobian['fraction_folded']:.2g}",
        " / ".join(f"{length:.2f}" for length in row["off"]) if row["off"] else "",
        *(f"{row['seconds']:.1f}", f"{row['megabytes']:.0f}"),
    ]


if __name__ == "__main__":
    main()
