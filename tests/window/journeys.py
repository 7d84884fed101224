"""The real program in a real window, used as a person uses it: keys, pointer, and what comes of it in files.

    python3 tests/window/journeys.py PROGRAM [--shared FOLDER] [--out FOLDER]

First start; the sample benchmark to its filled table; real LaMP records opened by a typed path; a prompt seen; a table exported
and compared with the command line's; killed during a run, opened again and resumed, to results equal to the undisturbed run's;
idle without work. Exits with 77 where a virtual display cannot be had.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import driver

# The place of the welcome's main button in a window of 1280 by 720.
SAMPLE_BUTTON = (738, 315)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--shared", type=pathlib.Path, default=pathlib.Path(__file__).parents[3] / "shared")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    if driver.missing():
        print("no virtual display: missing", ", ".join(driver.missing()))
        sys.exit(77)
    program = str(pathlib.Path(arguments.program).resolve())
    shared = arguments.shared.resolve()
    with driver.scratch() as folder, driver.Display(1280, 720) as display:
        folder = pathlib.Path(folder)
        out = arguments.out or folder / "pictures"
        whole = first_start(program, display, folder / "first", out)
        if (shared / "lamp-samples").is_dir():
            real_records(program, display, folder / "real", shared / "lamp-samples", out)
        else:
            print("left out: real records (no lamp-samples)")
        killed(program, display, folder / "killed", whole, out)
    print("all journeys done")


def say(*words):
    print(*words, flush=True)


def lamplight(program, folder, *words):
    """What a command prints, over the same store."""
    environment = dict(
        os.environ,
        LAMPLIGHT_STORE=str(folder / "lamplight.db"),
        LAMPLIGHT_MODELS=str(folder / "models"),
        LAMPLIGHT_CACHE_DIR=str(folder / "cache"),
    )
    done = subprocess.run([program, *map(str, words)], env=environment, capture_output=True, check=True)
    return done.stdout


def runs(program, folder):
    if not (folder / "lamplight.db").exists():
        return []
    return json.loads(lamplight(program, folder, "list", "--json"))["runs"]


def until(what, holds, limit=900):
    """Waits until something holds; how long it took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > limit:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.5)
    return time.monotonic() - began


def remembered(folder):
    """What the window remembers."""
    try:
        return json.loads((folder / "window" / "window.json").read_text())
    except (OSError, ValueError):
        return {}


def all_done(program, folder):
    """Whether the sample benchmark is over: each run done, and a tuned figure of every task in both settings (how many runs that
    takes depends on what wins)."""
    stored = runs(program, folder)
    if not stored or any(run["status"] != "done" for run in stored):
        return False
    tuned = 0
    for section in json.loads(lamplight(program, folder, "table", "--split", "test", "--json"))["sections"]:
        for block in section["blocks"]:
            at = [place for place, column in enumerate(block["columns"]) if column["method"] == "tuned"]
            tuned += len({row["task"] for row in block["rows"] for place in at if row["cells"][place]})
    return tuned == 16


def processor_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def first_start(program, display, folder, out):
    """The welcome, the sample benchmark, its table as a file, and rest. Gives the table as JSON, to compare with."""
    folder.mkdir()
    window = driver.Window(program, display, folder)
    say(f"first start: window after {window.shown - window.began:.2f} s")
    window.picture(out / "journey-welcome.png")
    before = processor_seconds(window.process)
    time.sleep(5)
    idle = (processor_seconds(window.process) - before) / 5
    say(f"idle: {idle:.1%} of a processor, {memory_mb(window.process):.0f} MB")
    window.click(*SAMPLE_BUTTON)
    took = until("the first results", lambda: any(run["status"] == "done" for run in runs(program, folder)))
    say(f"sample benchmark: first run done after {took:.1f} s")
    took = until("the sample benchmark", lambda: all_done(program, folder))
    say(f"sample benchmark: all {len(runs(program, folder))} runs done after another {took:.1f} s")
    time.sleep(3)
    window.key("ctrl+7", wait=8)
    window.picture(out / "journey-results.png")
    table = folder / "table of the window.csv"
    # A table that is still being made cannot be written: a person would try again.
    for _ in range(6):
        window.command("Export the results", wait=1)
        window.key("ctrl+a")
        window.type(str(table))
        window.key("Return", wait=8)
        if table.exists():
            break
    until("the exported table", table.exists, 60)
    time.sleep(1)
    window.picture(out / "journey-export.png")
    lamplight(program, folder, "export", "--format", "csv", "--published", "--out", folder / "table of the terminal.csv")
    if table.read_bytes() != (folder / "table of the terminal.csv").read_bytes():
        raise SystemExit("the window's table is not the terminal's")
    say("export: the window's CSV is the terminal's to the byte")
    if window.close() != 0:
        raise SystemExit("closing the window is an error")
    return lamplight(program, folder, "table", "--json")


def real_records(program, display, folder, records, out):
    """Real records opened by a typed path, and a prompt made of one."""
    folder.mkdir()
    window = driver.Window(program, display, folder)
    # Keys that come before the field is there are lost: a person would try again.
    for _ in range(4):
        window.command("Open files or folders", wait=2)
        window.key("ctrl+a")
        window.type(str(records))
        window.key("Return", wait=8)
        if str(records) in map(str, remembered(folder).get("data", [])):
            break
    until("the data to be remembered", lambda: str(records) in map(str, remembered(folder).get("data", [])), 60)
    window.picture(out / "journey-data.png")
    window.key("ctrl+4", wait=3)
    window.picture(out / "journey-prompt.png")
    window.key("ctrl+3", wait=2)
    window.picture(out / "journey-retriever.png")
    if window.close() != 0:
        raise SystemExit("closing the window is an error")
    say("real records: opened by a typed path, prompt and ranking seen")


def killed(program, display, folder, whole, out):
    """Killed during a run, opened again, resumed from the offer; the results are those of the undisturbed run."""
    folder.mkdir()
    window = driver.Window(program, display, folder)
    window.click(*SAMPLE_BUTTON)
    until("some runs", lambda: sum(run["status"] == "done" for run in runs(program, folder)) >= 10)
    window.kill()
    left = [run for run in runs(program, folder) if run["status"] != "done"]
    if not left:
        raise SystemExit("the run was over before it could be killed")
    say(f"killed: {len(left)} runs were left")
    window = driver.Window(program, display, folder)
    time.sleep(1)
    window.picture(out / "journey-offer.png")
    window.command("Resume what was broken off", wait=1)
    until("the resumed runs", lambda: all_done(program, folder))
    time.sleep(3)
    window.key("ctrl+7", wait=2)
    window.picture(out / "journey-resumed.png")
    window.close()
    if lamplight(program, folder, "table", "--json") != whole:
        raise SystemExit("the resumed table is not the undisturbed one")
    say("resumed: the table is that of the undisturbed run")


if __name__ == "__main__":
    main()
