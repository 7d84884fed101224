#!/usr/bin/env python3
"""Makes Lamplight's packages. One command a format, from a clean checkout:

    python3 packaging/package.py deb        Debian, Ubuntu
    python3 packaging/package.py rpm        Fedora, openSUSE
    python3 packaging/package.py tarball    any Linux: unpack into ~/.local or /usr/local
    python3 packaging/package.py appimage   any Linux: one file
    python3 packaging/package.py nsis       Windows: installer for one user
    python3 packaging/package.py zip        Windows: portable
    python3 packaging/package.py app        macOS: the bundle
    python3 packaging/package.py dmg        macOS: the bundle on a disk image
    python3 packaging/package.py sbom       what is within, as CycloneDX
    python3 packaging/package.py licenses   the texts of all licenses within
    python3 packaging/package.py metadata   desktop entry, metainfo, MIME type and Info.plist alone
    python3 packaging/package.py checksums  of all that was made
    python3 packaging/package.py tools      installs the tools of cargo that these use

What is made lies in packaging/out. README.md beside this file tells the rest.
"""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

sys.dont_write_bytecode = True
import licenses  # noqa: E402
import metadata  # noqa: E402
from metadata import HERE, ROOT  # noqa: E402

OUT = HERE / "out"
STAGE = OUT / "stage"
TOOLS = {
    "cargo-deb": "3.8.0",
    "cargo-generate-rpm": "0.21.1",
    "cargo-cyclonedx": "0.5.9",
}
SIZES = [16, 22, 24, 32, 48, 64, 96, 128, 256, 512]
LICENSES = ["LICENSE", "LICENSE-MIT", "LICENSE-APACHE"]
EXAMPLES = ["lamp-user", "lamp-time", "gguf"]


def run(*command, **more):
    """Runs a program, in the repository unless told otherwise; ends with its words if it fails."""
    print("+", *command, file=sys.stderr)
    try:
        return subprocess.run([str(part) for part in command], check=True, cwd=more.pop("cwd", ROOT), **more)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not installed; packaging/README.md says where it is to be had")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{command[0]} failed with {error.returncode}")


def cargo_tool(name):
    """A tool of cargo, which must be there."""
    if not shutil.which(f"cargo-{name}"):
        sys.exit(f"cargo-{name} is not installed: python3 packaging/package.py tools")
    return ["cargo", name]


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def put(path, content, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    path.chmod(mode)


def copy(source, path, mode=0o644):
    put(path, source.read_bytes(), mode)


class Build:
    """The program, built or given."""

    def __init__(self, options):
        self.variant, self.target, self.words = options.variant, options.target, metadata.read()
        self.host = next(
            line.split()[1]
            for line in subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout.splitlines()
            if line.startswith("host:")
        )
        self.triple = self.target or self.host
        self.exe = ".exe" if "windows" in self.triple else ""
        if options.binary:
            self.program = pathlib.Path(options.binary).resolve()
        else:
            self.program = self.cargo(self.triple)
        self.console = pathlib.Path(options.console).resolve() if options.console else None
        if self.runs():
            asked = subprocess.run([self.program, "--version"], check=True, capture_output=True, text=True).stdout
            print(asked, end="", file=sys.stderr)
            if self.words["VERSION"] not in asked:
                sys.exit(f"{self.program} is not version {self.words['VERSION']}")

    def cargo(self, triple):
        """Builds the program with cargo and returns where it is."""
        command = ["cargo", "build", "--locked", "--profile", "dist", "--bin", "lamplight"]
        if self.variant:
            command += ["--features", self.variant]
        if self.target:
            command += ["--target", triple]
        run(*command)
        return self.folder() / (triple if self.target else "") / "dist" / f"lamplight{self.exe}"

    @staticmethod
    def folder():
        asked = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
        told = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return pathlib.Path(json.loads(told)["target_directory"])

    def runs(self):
        """Whether this machine can start it: manual and completions are asked of the program itself."""
        return self.triple == self.host or self.triple.split("-")[2:] == ["darwin"] == self.host.split("-")[2:]

    def asked(self, *arguments):
        return subprocess.run([self.program, *arguments], check=True, capture_output=True).stdout

    def name(self, ending):
        """What a file that we name ourselves is called."""
        systems = {"windows": "windows", "darwin": "macos", "linux": "linux"}
        system = next(name for part, name in systems.items() if part in self.triple)
        arch = "universal" if self.triple.startswith("universal") else self.triple.split("-")[0]
        variant = f"-{self.variant}" if self.variant else ""
        return OUT / f"lamplight{variant}-{self.words['VERSION']}-{arch}-{system}{ending}"


def papers():
    """The file with the texts of all licenses within the program."""
    path = OUT / "third-party-licenses.txt"
    put(path, licenses.whole())
    return path


def stage(build):
    """The tree that all of Linux's packages hold."""
    words, usr = build.words, fresh(STAGE) / "usr"
    share = usr / "share"
    copy(build.program, usr / "bin" / "lamplight", 0o755)
    for name, text in described(words).items():
        put(share / name, text)
    icons, drawn = share / "icons" / "hicolor", ROOT / "resources" / "icon"
    for size in SIZES:
        copy(drawn / f"lamplight-{size}.png", icons / f"{size}x{size}" / "apps" / "lamplight.png")
    copy(drawn / "lamplight.svg", icons / "scalable" / "apps" / "lamplight.svg")
    pages = share / "man" / "man1"
    build.asked("manual", pages)
    for page in pages.iterdir():
        # Without a time stamp, so that the same sources give the same package.
        put(page.with_name(f"{page.name}.gz"), gzip.compress(page.read_bytes(), mtime=0))
        page.unlink()
    put(share / "bash-completion" / "completions" / "lamplight", build.asked("completions", "bash"))
    put(share / "zsh" / "site-functions" / "_lamplight", build.asked("completions", "zsh"))
    put(share / "fish" / "vendor_completions.d" / "lamplight.fish", build.asked("completions", "fish"))
    documents = share / "doc" / "lamplight"
    copy(papers(), documents / "third-party-licenses.txt")
    copy(ROOT / "README.md", documents / "README.md")
    for name in EXAMPLES:
        copy(ROOT / "resources" / "experiments" / f"{name}.toml", documents / "examples" / f"{name}.lamplight.toml")
    return usr


def deb(build):
    stage(build)
    # Debian looks for these elsewhere.
    zsh = STAGE / "usr" / "share" / "zsh"
    (zsh / "site-functions").rename(zsh / "vendor-completions")
    package = "-".join(filter(None, ["lamplight", build.variant]))
    overrides = metadata.fill(HERE / "linux" / "lintian-overrides", {"PACKAGE": package})
    put(STAGE / "usr" / "share" / "lintian" / "overrides" / package, overrides)
    put(OUT / "changelog", metadata.debian_changelog(build.words))
    command = cargo_tool("deb") + ["--no-build", "--no-strip", "--locked", "--profile", "dist"]
    command += ["--maintainer", build.words["MAINTAINER"], "--output", str(OUT) + os.sep]
    command += ["--variant", build.variant] if build.variant else []
    command += ["--target", build.target] if build.target else []
    run(*command)


def rpm(build):
    usr = stage(build)
    for name in LICENSES:
        copy(ROOT / name, usr / "share" / "doc" / "lamplight" / name)
    command = cargo_tool("generate-rpm") + ["--profile", "dist", "--output", str(OUT) + os.sep]
    command += ["--source-date", str(int(metadata.moment().timestamp()))]
    command += ["--variant", build.variant] if build.variant else []
    command += ["--target", build.target] if build.target else []
    run(*command)


def tarball(build):
    usr = stage(build)
    for name in LICENSES:
        copy(ROOT / name, usr / "share" / "doc" / "lamplight" / name)
    path = build.name(".tar.xz")
    top = path.name.removesuffix(".tar.xz")
    seconds = int(metadata.moment().timestamp())

    def plain(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = seconds
        return entry

    with tarfile.open(path, "w:xz", format=tarfile.GNU_FORMAT) as archive:
        archive.add(usr, top, recursive=False, filter=plain)
        for file in sorted(usr.rglob("*")):
            archive.add(file, f"{top}/{file.relative_to(usr)}", recursive=False, filter=plain)
    print(path)


def appimage(build):
    usr = stage(build)
    folder = fresh(OUT / "Lamplight.AppDir")
    shutil.copytree(usr, folder / "usr", dirs_exist_ok=True)
    shutil.copy(usr / "share" / "applications" / "lamplight.desktop", folder)
    shutil.copy(usr / "share" / "icons" / "hicolor" / "256x256" / "apps" / "lamplight.png", folder)
    (folder / ".DirIcon").symlink_to("lamplight.png")
    (folder / "AppRun").symlink_to("usr/bin/lamplight")
    path = build.name(".AppImage")
    run("appimagetool", folder, path, env={**os.environ, "ARCH": build.triple.split("-")[0]})
    print(path)


def payload(build):
    """The folder that a Windows package holds."""
    folder = fresh(OUT / "windows" / "Lamplight")
    copy(build.program, folder / "lamplight.exe")
    console = build.console
    if not console:
        target = build.folder() / "console"
        command = ["cargo", "build", "--locked", "--release", "--target-dir", target]
        command += ["--manifest-path", HERE / "windows" / "console" / "Cargo.toml"]
        command += ["--target", build.target] if build.target else []
        run(*command)
        console = target / (build.target or "") / "release" / "lamplight-console.exe"
    copy(console, folder / "lamplight.com")
    sign_windows(folder / "lamplight.exe")
    sign_windows(folder / "lamplight.com")
    copy(papers(), folder / "third-party-licenses.txt")
    parts = [(ROOT / name).read_text("utf-8") for name in LICENSES]
    put(folder / "LICENSE.txt", f"\n{'-' * 78}\n\n".join(parts))
    copy(ROOT / "README.md", folder / "README.md")
    for name in EXAMPLES:
        copy(ROOT / "resources" / "experiments" / f"{name}.toml", folder / "examples" / f"{name}.lamplight")
    return folder


def portable(build):
    folder, path = payload(build), build.name(".zip")
    stamp = metadata.moment().timetuple()[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            entry = zipfile.ZipInfo(f"Lamplight/{file.relative_to(folder).as_posix()}", stamp)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    print(path)


def nsis(build):
    folder, path, words = payload(build), build.name("-setup.exe"), build.words
    # The uninstaller deletes what was installed, by name.
    files = [file.relative_to(folder) for file in sorted(folder.rglob("*"), reverse=True)]
    verbs = {True: "RMDir", False: "Delete"}
    lines = [f'{verbs[(folder / file).is_dir()]} "$INSTDIR\\{str(file).replace("/", chr(92))}"' for file in files]
    put(OUT / "windows" / "unlist.nsh", "\n".join(lines) + "\n")
    told = {key: words[key] for key in ["TITLE", "VERSION", "FOUR", "VENDOR", "SUMMARY", "MIME"]}
    told |= {
        "PAYLOAD": folder,
        "OUTPUT": path,
        "ICON": ROOT / "resources" / "icon" / "lamplight.ico",
        "HERE": HERE / "windows",
        "UNLIST": OUT / "windows" / "unlist.nsh",
        "SLASH": os.sep,
    }
    options = [f"-D{key}={value}" for key, value in told.items()]
    run("makensis", "-WX", "-V3", *options, HERE / "windows" / "lamplight.nsi")
    sign_windows(path)
    print(path)


def sign_windows(path):
    """Signs with the certificate that WINDOWS_CERTIFICATE names by its hash in the machine's store, where it is told."""
    if certificate := os.environ.get("WINDOWS_CERTIFICATE"):
        run("signtool", "sign", "/sha1", certificate, "/fd", "sha256", "/tr", "http://timestamp.digicert.com", "/td", "sha256", path)


def app(build):
    """The bundle; signed for others where APPLE_IDENTITY names whose it is, for this machine alone otherwise."""
    words = build.words
    bundle = fresh(OUT / "macos" / f"{words['TITLE']}.app")
    contents = bundle / "Contents"
    put(contents / "Info.plist", metadata.info_plist(words))
    put(contents / "PkgInfo", "APPL????")
    copy(build.program, contents / "MacOS" / "lamplight", 0o755)
    resources = contents / "Resources"
    copy(ROOT / "resources" / "icon" / "lamplight.icns", resources / "lamplight.icns")
    copy(papers(), resources / "third-party-licenses.txt")
    for name in LICENSES:
        copy(ROOT / name, resources / name)
    if sys.platform == "darwin":
        identity = os.environ.get("APPLE_IDENTITY") or "-"
        stamp = "--timestamp" if identity != "-" else "--timestamp=none"
        entitlements = HERE / "macos" / "lamplight.entitlements"
        run("codesign", "--force", "--options", "runtime", stamp, "--entitlements", entitlements, "--sign", identity, bundle)
        run("codesign", "--verify", "--strict", "--verbose=2", bundle)
    print(bundle)
    return bundle


def dmg(build):
    """The disk image; notarized where APPLE_ID, APPLE_TEAM and APPLE_PASSWORD say by whom."""
    bundle, path = app(build), build.name(".dmg")
    folder = fresh(OUT / "macos" / "image")
    shutil.copytree(bundle, folder / bundle.name, symlinks=True)
    (folder / "Applications").symlink_to("/Applications")
    run("hdiutil", "create", "-volname", build.words["TITLE"], "-srcfolder", folder, "-fs", "HFS+", "-format", "UDZO", "-ov", path)
    if identity := os.environ.get("APPLE_IDENTITY"):
        run("codesign", "--force", "--timestamp", "--sign", identity, path)
    who = [os.environ.get(name) for name in ["APPLE_ID", "APPLE_TEAM", "APPLE_PASSWORD"]]
    if all(who):
        given = ["--apple-id", who[0], "--team-id", who[1], "--password", who[2]]
        print("+ xcrun notarytool submit", path, file=sys.stderr)
        subprocess.run(["xcrun", "notarytool", "submit", str(path), *given, "--wait"], check=True)
        run("xcrun", "stapler", "staple", path)
    print(path)


def universal(options):
    """Both architectures in one file, on macOS."""
    programs = []
    for triple in ["x86_64-apple-darwin", "aarch64-apple-darwin"]:
        one = argparse.Namespace(**{**vars(options), "target": triple, "binary": None})
        programs.append(Build(one).program)
    path = OUT / "macos" / "lamplight"
    path.parent.mkdir(parents=True, exist_ok=True)
    run("lipo", "-create", "-output", path, *programs)
    return path


def described(words):
    """What desktops are told: names below usr/share, and texts."""
    linux = HERE / "linux"
    return {
        "applications/lamplight.desktop": metadata.fill(linux / "lamplight.desktop.in", words),
        f"metainfo/{words['ID']}.metainfo.xml": metadata.fill(linux / "lamplight.metainfo.xml.in", words),
        "mime/packages/lamplight.xml": metadata.fill(linux / "lamplight.mime.xml.in", words),
    }


def describe(_options):
    folder = fresh(OUT / "metadata")
    words = metadata.read()
    for name, text in described(words).items():
        put(folder / pathlib.PurePosixPath(name).name, text)
    put(folder / "Info.plist", metadata.info_plist(words))
    print(folder)


def sbom(_options):
    OUT.mkdir(exist_ok=True)
    run(*cargo_tool("cyclonedx"), "--format", "json", "--spec-version", "1.5", "--target", "all", "--override-filename", "lamplight.cdx")
    made = ROOT / "lamplight.cdx.json"
    path = OUT / f"lamplight-{metadata.read()['VERSION']}.cdx.json"
    # The list names the program by the folder that it was made in, which is nobody's business.
    here = f"path+{ROOT.as_uri()}"
    text = made.read_text(encoding="utf-8").replace(here, "path+file:///lamplight")
    made.unlink()
    put(path, text)
    print(path)


def checksums(_options):
    endings = (".deb", ".rpm", ".tar.xz", ".AppImage", ".exe", ".zip", ".dmg", ".cdx.json", "licenses.txt")
    files = sorted(file for file in OUT.iterdir() if file.is_file() and file.name.endswith(endings))
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    put(OUT / "SHA256SUMS", "".join(lines))
    print("".join(lines), end="")


def tools(options):
    for name, version in TOOLS.items():
        if not options.only or name in options.only:
            run("cargo", "install", "--locked", name, "--version", version)


FORMATS = {
    "deb": deb,
    "rpm": rpm,
    "tarball": tarball,
    "appimage": appimage,
    "nsis": nsis,
    "zip": portable,
    "app": app,
    "dmg": dmg,
}


def main():
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("what", choices=[*FORMATS, "sbom", "licenses", "metadata", "checksums", "tools"])
    told.add_argument("only", nargs="*", help="with tools: the ones to install, all otherwise")
    told.add_argument("--variant", choices=["cuda"], help="a package of its own, with this feature")
    told.add_argument("--target", help="build for this platform, as rustc calls it; universal-apple-darwin for both of macOS")
    told.add_argument("--binary", help="package this program instead of building it")
    told.add_argument("--console", help="Windows: package this as lamplight.com instead of building it")
    options = told.parse_args()
    plain = {"sbom": sbom, "licenses": lambda _options: print(papers()), "metadata": describe, "checksums": checksums, "tools": tools}
    if options.what in plain:
        return plain[options.what](options)
    OUT.mkdir(exist_ok=True)
    if options.target == "universal-apple-darwin" and not options.binary:
        options.binary = universal(options)
    build = Build(options)
    return FORMATS[options.what](build)


if __name__ == "__main__":
    main()
