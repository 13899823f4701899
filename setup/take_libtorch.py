"""Takes libtorch out of its wheels: take_libtorch.py WHEELS_FOLDER TREE VERSION

Writes TREE in the layout that torch-sys expects: include/, lib/ and build-version.
Only the headers and the libraries that a CPU build needs are taken (486 MB of 1.6 GB).
"""

import pathlib
import shutil
import sys
import zipfile

HEADERS = "torch/include/"
LIBRARIES = {
    "torch": ["torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1"],
    "nvidia_cuda_runtime": ["nvidia/cu13/lib/libcudart.so.13"],
    "nvidia_cuda_cupti": ["nvidia/cu13/lib/libcupti.so.13"],
}
# torch-sys links "torch" and "gomp" by these names.
LINKS = {"libtorch.so": "libtorch_cpu.so", "libgomp.so": "libgomp.so.1"}


def main(wheels, tree, version):
    for distribution, libraries in LIBRARIES.items():
        with zipfile.ZipFile(only_wheel(wheels, distribution)) as wheel:
            for member in libraries:
                take(wheel, member, tree / "lib" / pathlib.PurePosixPath(member).name)
            for member in wheel.namelist():
                if member.startswith(HEADERS) and not member.endswith("/"):
                    take(wheel, member, tree / "include" / member[len(HEADERS):])
    for name, target in LINKS.items():
        (tree / "lib" / name).symlink_to(target)
    (tree / "build-version").write_text(version + "\n")


def only_wheel(wheels, distribution):
    found = sorted(wheels.glob(distribution + "-*.whl"))
    if len(found) != 1:
        sys.exit(f"{wheels}: {len(found)} wheels of {distribution}, expected 1; remove the folder and try again")
    return found[0]


def take(wheel, member, target):
    if ".." in pathlib.PurePosixPath(member).parts:
        sys.exit(f"{wheel.filename}: refuses the path {member}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source = wheel.open(member)
    except KeyError:
        sys.exit(f"{wheel.filename}: has no {member}; setup/libtorch.txt names the wrong wheel")
    with source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    target.chmod(0o644)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3])
