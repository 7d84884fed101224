"""What packages say of the program: Cargo.toml's words, filled into templates."""

import datetime
import os
import pathlib
import plistlib
import re
import subprocess
import tomllib
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = ROOT / "packaging"


def read():
    """Every word that a template may ask for as @WORD@."""
    package = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["package"]
    ours = package["metadata"]["packaging"]
    numbers = [int(number) for number in re.findall(r"\d+", package["version"].split("+")[0])][:4]
    return {
        "NAME": package["name"],
        "VERSION": package["version"],
        "FOUR": ".".join(str(number) for number in (numbers + [0, 0, 0, 0])[:4]),  # as Windows counts
        "NUMBERS": ".".join(str(number) for number in numbers[:3]),  # as macOS counts
        "DESCRIPTION": package["description"],
        "LICENSE": package["license"],
        "VENDOR": package["authors"][0],
        "TITLE": ours["title"],
        "ID": ours["id"],
        "DEVELOPER": ours["id"].rsplit(".", 1)[0],
        "SUMMARY": ours["summary"],
        "MAINTAINER": os.environ.get("LAMPLIGHT_MAINTAINER") or ours["maintainer"],
        "MIME": ours["mime"],
        "DATE": moment().strftime("%Y-%m-%d"),
    }


def moment():
    """When the sources were last changed, so that the same sources give the same packages."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if not told:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        asked = subprocess.run(command, capture_output=True, text=True) if (ROOT / ".git").exists() else None
        told = asked.stdout.strip() if asked and asked.returncode == 0 else ""
    seconds = int(told) if told else int((ROOT / "Cargo.toml").stat().st_mtime)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def fill(template, words):
    """A template's text with its words filled in; one that is not known is a mistake."""
    xml = ".xml" in template.name
    text = template.read_text("utf-8")
    return re.sub("@([A-Z]+)@", lambda found: escape(words[found[1]]) if xml else words[found[1]], text)


def debian_changelog(words):
    """CHANGELOG.md's newest section as Debian writes such lists."""
    section = re.split("^## .*$", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.M)[1]
    lines = [line[2:] for line in section.splitlines() if line.startswith("- ")]
    wrapped = "\n".join("  * " + re.sub(r"(.{1,72})(?:\s+|$)", r"\1\n    ", line).strip() for line in lines)
    head = f"{words['NAME']} ({words['VERSION']}-1) unstable; urgency=medium"
    tail = f" -- {words['MAINTAINER']}  {moment().strftime('%a, %d %b %Y %H:%M:%S +0000')}"
    return f"{head}\n\n{wrapped}\n\n{tail}\n"


def info_plist(words):
    """What macOS wants to know of the bundle."""
    return plistlib.dumps(
        {
            "CFBundleDevelopmentRegion": "en",
            "CFBundleDisplayName": words["TITLE"],
            "CFBundleExecutable": words["NAME"],
            "CFBundleIconFile": words["NAME"],
            "CFBundleIdentifier": words["ID"],
            "CFBundleInfoDictionaryVersion": "6.0",
            "CFBundleName": words["TITLE"],
            "CFBundlePackageType": "APPL",
            "CFBundleShortVersionString": words["NUMBERS"],
            "CFBundleVersion": words["NUMBERS"],
            "LSApplicationCategoryType": "public.app-category.education",
            "LSMinimumSystemVersion": "11.0",
            "NSHighResolutionCapable": True,
            "NSHumanReadableCopyright": f"{words['VENDOR']}, {words['LICENSE']}",
            "NSSupportsAutomaticGraphicsSwitching": True,
        }
    )
