"""Pictures of every screen, light and dark, at 1280 by 720 and at 2560 by 1440 with everything twice as large.

    python3 tests/window/pictures.py PROGRAM OUT [--shared FOLDER]

The sample benchmark is run first, by the command line; the sample set is open, and with `--shared` the real LaMP records of its
`lamp-samples` as well. A list of the pictures is printed; look at them.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import time

import driver

SIZES = {"1280x720": (1280, 720, 1.0), "2560x1440": (2560, 1440, 2.0)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--shared", type=pathlib.Path)
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    data = [pathlib.Path(__file__).parents[2] / "datasets" / "sample"]
    if arguments.shared:
        data.append(arguments.shared / "lamp-samples")
    with driver.scratch() as folder:
        folder = pathlib.Path(folder)
        environment = dict(os.environ, LAMPLIGHT_CACHE_DIR=str(folder / "cache"), LAMPLIGHT_MODELS=str(folder / "models"))
        subprocess.run([program, "demo", "--out", folder, "--quiet"], env=environment, check=True, stdout=subprocess.DEVNULL)
        tiny = tiny_model(folder / "tiny")
        run = lambda *words: subprocess.run([program, *map(str, words)], env=environment, check=True, capture_output=True)
        run("models", "add", tiny, "--name", "tiny")
        learn = ("--data", data[0], "--task", "LaMP-3", "--setting", "user", "--retriever", "bm25", "--limit", 40)
        run("train", "--model", "tiny", *learn, "--epochs", 8, "--batch", 8, "--dev-limit", 12, "--max-length", 64,
            "--max-new-tokens", 3, "--learning-rate", 5e-3, "--name", "before")
        for theme in ("Light", "Dark"):
            for name, (width, height, scale) in SIZES.items():
                with driver.Display(width, height) as display:
                    empty(program, display, folder / f"empty-{theme}-{name}", scale, theme, arguments.out, name)
                    filled(program, display, folder, scale, theme, arguments.out, name, data)


def tiny_model(folder):
    """A T5 model that is trained in no time, with a token for each printable character."""
    source = pathlib.Path(__file__).parents[1] / "data" / "t5" / "v11_micro"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(source / name, folder / name)
    names = ["<pad>", "</s>", "<unk>", "\u2581", *map(chr, range(ord("!"), ord("~") + 1))]
    kind = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    text, end = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None,
        "added_tokens": [{"id": number, "content": names[number], **kind} for number in range(3)],
        "pre_tokenizer": space, "decoder": space,
        "post_processor": {
            "type": "TemplateProcessing", "single": [text, end], "pair": [text, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": False, "ignore_merges": False,
            "vocab": {name: number for number, name in enumerate(names)}, "merges": [],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def remember(folder, **what):
    """Writes what the window remembers, as if it had been left so."""
    memory = folder / "window"
    memory.mkdir(parents=True, exist_ok=True)
    (memory / "window.json").write_text(json.dumps(what))


class Camera:
    def __init__(self, window, out, theme, size):
        self.window, self.out, self.theme, self.size = window, out, theme.lower(), size

    def __call__(self, name):
        path = self.out / f"{name}-{self.theme}-{self.size}.png"
        self.window.picture(path)
        print(path, flush=True)


def empty(program, display, folder, scale, theme, out, size):
    """What a first start shows."""
    folder.mkdir()
    remember(folder, theme=theme)
    window = driver.Window(program, display, folder, scale)
    camera = Camera(window, out, theme, size)
    camera("welcome")
    screens = ("data", "model", "retriever", "prompt", "experiment", "runs", "results", "inspect", "train")
    for number, name in enumerate(screens, 1):
        window.key(f"ctrl+{number}", wait=0.8)
        camera(f"{name}-empty")
    window.close()


def filled(program, display, folder, scale, theme, out, size, data):
    """The screens with the sample benchmark's results and its data."""
    draft = (
        'name = "Sample benchmark"\n[[data]]\npaths = [%s]\nsplit = "test"\n[[models]]\nname = "baseline:nearest"\n'
        '[retrieval]\nretrievers = ["none", "random", "bm25", "recency"]\nk = [1, 4]\n' % json.dumps(str(data[0]))
    )
    recipe = {
        "model": "tiny",
        "data": {"tasks": ["LaMP-3"], "settings": ["user"], "dev_limit": 12},
        "retrieval": {"retriever": "bm25", "k": 1},
        "prompt": {"max_length": 96},
        "training": {"epochs": 100, "batch": 8},
        "evaluation": {"max_new_tokens": 3},
    }
    # A name that no training before has.
    name = f"stars-{theme.lower()}-{size}"
    screens = {"train": {"recipe": recipe, "name": name}}
    remember(folder, theme=theme, data=[str(path) for path in data], draft=draft, screen="Data", screens=screens)
    window = driver.Window(program, display, folder, scale)
    camera = Camera(window, out, theme, size)
    time.sleep(3)
    for number, name in enumerate(("data", "model", "retriever", "prompt", "experiment", "runs"), 1):
        window.key(f"ctrl+{number}", wait=3)
        camera(name)
    window.key("ctrl+7", wait=3)
    camera("results-table")
    window.command("Results: charts", wait=5)
    camera("results-charts")
    window.command("Results: table", wait=1)
    window.key("ctrl+8", wait=3)
    camera("inspect")
    window.key("ctrl+9", wait=3)
    camera("train")
    window.command(f"Start training {name}", wait=4)
    camera("train-at-work")
    window.command("End the training and keep the best", wait=4)
    window.key("ctrl+comma", wait=1.5)
    camera("settings")
    window.key("ctrl+k", wait=0.6)
    camera("palette")
    window.key("Escape")
    window.command("Run the sample benchmark", wait=3)
    window.key("ctrl+6", wait=1)
    camera("runs-at-work")
    window.close()


if __name__ == "__main__":
    main()
