"""Writes third_party.txt: every package that is part of the program on some platform, with its license.

    python resources/licenses/make_list.py

Asks cargo, so run it in the repository when dependencies change; `tests/licenses.rs` says when it is out of date.
"""

import json
import pathlib
import subprocess

root = pathlib.Path(__file__).parents[2]
metadata = json.loads(
    subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], cwd=root, check=True, capture_output=True
    ).stdout
)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
seen, queue = set(), [metadata["resolve"]["root"]]
while queue:
    node = nodes[queue.pop()]
    for dependency in node["deps"]:
        # What only tests or build scripts use is no part of the program.
        normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
        if normal and dependency["pkg"] not in seen:
            seen.add(dependency["pkg"])
            queue.append(dependency["pkg"])
lines = sorted(
    f"{packages[key]['name']} {packages[key]['version']}\t{packages[key]['license'] or 'see its repository'}" for key in seen
)
(root / "resources" / "licenses" / "third_party.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
