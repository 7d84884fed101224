#!/usr/bin/env python3
"""Runs a peer and Lamplight on the same data in turns, and prints the ratio.

    python3 benches/side_by_side.py bm25

Python 3 alone is needed; the peer is installed from PyPI into a folder of its own. See benches/README.md.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs (default 5)")
    parser.add_argument("--shared", type=pathlib.Path, default=REPO.parent / "shared", help="the folder that holds peers/")
    parser.add_argument("--cache", type=pathlib.Path, help="where peers are installed (default: peers/ in Cargo's target folder)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    row = ROWS[options.row]

    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"))
    cache = (options.cache or target / "peers").resolve()
    scripts, python = prepare(options.shared.resolve(), cache, row)
    data = make_data(scripts, python, row)
    ours = build(row)
    pin()

    pairs = []
    for number in range(1, options.rounds + 1):
        peer = line_of([python, *row["peer"]], scripts)
        mine = line_of([ours, "--json", str(data)], REPO)
        agree(row, mine, peer)
        pairs.append((peer, mine))
        print(f"round {number}: {sides(row, peer, mine)}", flush=True)
    best_peer = min((peer for peer, _ in pairs), key=row["cpu"])
    best_mine = min((mine for _, mine in pairs), key=row["cpu"])
    print(f"best:    {sides(row, best_peer, best_mine)}")
    for name, best in (("peer", best_peer), ("lamplight", best_mine)):
        figures = ", ".join(f"{key} {best[key]:g}" for key in row["shown"] if best.get(key) is not None)
        print(f"{name}: {figures}")


def prepare(shared, cache, row):
    """Copies the peers' scripts and installs what the row needs; gives their folder and its Python."""
    source = shared / "peers"
    if not source.is_dir():
        sys.exit(f"The peers' scripts are not in {source}; say where with --shared.")
    if not (WORDNET / "data.noun").is_file():
        sys.exit(f"The text source {WORDNET} is absent; install it with: apt-get install wordnet-base")
    scripts = cache / "scripts"
    (scripts / "data").mkdir(parents=True, exist_ok=True)
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


if __name__ == "__main__":
    main()
