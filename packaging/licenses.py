"""The texts of the licenses of all packages that are part of the program on some platform, from the packages themselves."""

import json
import pathlib
import re
import subprocess

from metadata import ROOT

NAMES = re.compile(r"(licen[cs]e|copying|unlicense|notice|copyright)", re.IGNORECASE)
ENDINGS = {"", ".txt", ".md", ".mit", ".apache", ".apache2", ".apache-2.0", ".bsd", ".zlib", ".bsd-3-clause", ".0bsd"}
RULE = "=" * 80


def packages():
    """What cargo says of each package within the program, by name and version; build scripts' and tests' are none of it."""
    asked = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    told = json.loads(subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    known = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    seen, queue = set(), [told["resolve"]["root"]]
    while queue:
        for dependency in nodes[queue.pop()]["deps"]:
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if normal and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                queue.append(dependency["pkg"])
    return sorted((known[key] for key in seen), key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The license files of a package: beside its manifest, or where that says."""
    folder = pathlib.Path(package["manifest_path"]).parent
    told = package.get("license_file")
    found = [folder / told] if told else []
    folders = [folder, *(folder / name for name in ["LICENSES", "LICENSE", "licenses", "fonts"] if (folder / name).is_dir())]
    for place in folders:
        inside = place != folder
        found += [
            file
            for file in sorted(place.iterdir())
            if (file.suffix == ".txt" if inside else NAMES.match(file.name) and file.suffix.lower() in ENDINGS)
        ]
    decoded = [file.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").strip() for file in found if file.is_file()]
    return [text for text in dict.fromkeys(decoded) if text]


def whole():
    """All of it: an overview with a line a package, and each text once with those that it is of."""
    overview, of_text, without = [], {}, []
    for package in packages():
        name = f"{package['name']} {package['version']}"
        overview.append(f"{name}: {package['license'] or 'see its file'}")
        found = texts(package)
        for text in found:
            # The same words wrapped otherwise are the same text.
            of_text.setdefault(" ".join(text.split()), (text, []))[1].append(name)
        if not found:
            without.append(f"{name}: {package['license']}")
    parts = ["Packages that are part of Lamplight on some platform, and their licenses.", "", *overview, ""]
    parts += ["These bring no text along; the texts of the licenses that they name are among those below.", "", *without, ""]
    fonts = ROOT / "resources" / "fonts"
    for title, name in [("Letters of the window: Inter", "OFL.txt"), ("Icons of the window: Phosphor", "PHOSPHOR.txt")]:
        of_text[name] = ((fonts / name).read_text("utf-8").strip(), [title])
    for text, names in sorted(of_text.values(), key=lambda entry: -len(entry[1])):
        parts += [RULE, "Of " + ", ".join(names), RULE, "", text, ""]
    return "\n".join(parts) + "\n"
