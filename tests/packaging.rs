//! What packages say agrees with the program: metadata, icons, manual, completions, libraries, pinned actions. Needs no tool.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its files must fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lamplight::run::experiment::is_called_so;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn package() -> toml::Table {
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    manifest["package"].as_table().unwrap().clone()
}

fn ours(key: &str) -> String {
    package()["metadata"]["packaging"][key].as_str().unwrap().to_owned()
}

/// A template with Cargo.toml's words, as packaging/metadata.py fills it; asks for no others.
fn filled(path: &str) -> String {
    let package = package();
    let id = ours("id");
    let words = [
        ("TITLE", ours("title")),
        ("SUMMARY", ours("summary")),
        ("MIME", ours("mime")),
        ("ID", id.clone()),
        ("DEVELOPER", id.rsplit_once('.').unwrap().0.to_owned()),
        ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ("LICENSE", package["license"].as_str().unwrap().to_owned()),
        ("VENDOR", package["authors"][0].as_str().unwrap().to_owned()),
        ("DATE", "2000-01-01".to_owned()),
    ];
    let template = text(path);
    assert!(!template.contains(env!("CARGO_PKG_VERSION")), "{path} has a version of its own");
    let filled = words.iter().fold(template, |text, (word, value)| text.replace(&format!("@{word}@"), value));
    assert!(!filled.contains('@'), "{path} asks for a word that is not known:\n{filled}");
    filled
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lamplight"))
}

fn printed(arguments: &[&str]) -> String {
    let output = program().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that help lists.
fn commands() -> BTreeSet<String> {
    let help = printed(&["--help"]);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let lines = listed.lines().take_while(|line| !line.is_empty());
    // What is wrapped stands further in.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split_once("  ").map(|(name, _)| name));
    names.filter(|name| !name.is_empty() && *name != "help").map(ToOwned::to_owned).collect()
}

#[test]
fn the_desktop_entry_starts_the_program_with_its_files() {
    let entry = filled("packaging/linux/lamplight.desktop.in");
    let value = |key: &str| {
        let of_key = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(ToOwned::to_owned);
        entry.lines().find_map(of_key).unwrap_or_else(|| panic!("no {key}"))
    };
    assert!(entry.starts_with("[Desktop Entry]\n"));
    assert_eq!(value("Type"), "Application");
    assert_eq!(value("Exec"), "lamplight window %f");
    assert_eq!(value("Icon"), "lamplight");
    assert_eq!(value("Terminal"), "false");
    assert_eq!(value("Comment"), ours("summary"));
    assert_eq!(value("MimeType"), format!("{};", ours("mime")));
    assert!(value("Categories").contains("Science;"));
    // Windows are found by what the program calls itself, as the entry is called.
    let launch = text("src/gui/launch.rs");
    assert!(launch.contains(&format!("with_app_id(\"{}\")", value("StartupWMClass"))));
}

#[test]
fn software_centers_are_told_what_cargo_is_told() {
    let metainfo = filled("packaging/linux/lamplight.metainfo.xml.in");
    let document = roxmltree::Document::parse(&metainfo).unwrap();
    let component = document.root_element();
    assert_eq!(component.attribute("type"), Some("desktop-application"));
    let said = |name: &str| {
        let node = component.descendants().find(|node| node.has_tag_name(name));
        node.and_then(|node| node.text()).unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
    };
    assert_eq!(said("id"), ours("id"));
    assert_eq!(said("project_license"), package()["license"].as_str().unwrap());
    assert_eq!(said("launchable"), "lamplight.desktop");
    assert_eq!(said("mediatype"), ours("mime"));
    assert_eq!(said("binary"), env!("CARGO_PKG_NAME"));
    let release = component.descendants().find(|node| node.has_tag_name("release")).unwrap();
    assert_eq!(release.attribute("version"), Some(env!("CARGO_PKG_VERSION")));
    assert!(said("summary").len() < 70 && !said("summary").ends_with('.'));
}

#[test]
fn files_that_systems_give_to_the_program_are_those_it_takes() {
    let types = filled("packaging/linux/lamplight.mime.xml.in");
    let document = roxmltree::Document::parse(&types).unwrap();
    let kind = document.descendants().find(|node| node.has_tag_name("mime-type")).unwrap();
    assert_eq!(kind.attribute("type"), Some(ours("mime").as_str()));
    let globs: Vec<_> = kind.descendants().filter(|node| node.has_tag_name("glob")).collect();
    assert!(globs.len() >= 2);
    for glob in globs {
        let name = glob.attribute("pattern").unwrap().replace('*', "tweets");
        assert!(is_called_so(Path::new(&name)), "{name}");
        assert!(name != "tweets.toml", "other programs' files");
    }
    let installer = text("packaging/windows/lamplight.nsi");
    assert!(installer.contains(r#""${CLASSES}\.lamplight" "" "${PROGID}""#));
    assert!(is_called_so(Path::new("tweets.lamplight")));
}

#[test]
fn icons_have_the_sizes_that_systems_look_for() {
    let folder = root().join("resources/icon");
    for size in [16_u32, 22, 24, 32, 48, 64, 96, 128, 256, 512] {
        let bytes = fs::read(folder.join(format!("lamplight-{size}.png"))).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((side(16), side(20)), (size, size));
    }
    let icon = fs::read(folder.join("lamplight.ico")).unwrap();
    assert_eq!(&icon[..4], [0, 0, 1, 0]);
    let count = usize::from(u16::from_le_bytes([icon[4], icon[5]]));
    // 0 stands for 256.
    let sizes: BTreeSet<u8> = (0..count).map(|entry| icon[6 + 16 * entry]).collect();
    assert!(sizes.is_superset(&BTreeSet::from([16, 24, 32, 48, 0])), "{sizes:?}");
    let bundle = fs::read(folder.join("lamplight.icns")).unwrap();
    assert_eq!(&bundle[..4], b"icns");
    assert_eq!(u32::from_be_bytes(bundle[4..8].try_into().unwrap()) as usize, bundle.len());
    assert!(text("resources/icon/lamplight.svg").contains("viewBox"));
}

#[test]
fn version_tells_the_commit_and_the_features() {
    assert_eq!(printed(&["-V"]), concat!("lamplight ", env!("CARGO_PKG_VERSION"), "\n"));
    let whole = printed(&["--version"]);
    let lines: Vec<&str> = whole.lines().collect();
    let commit = lines[0].strip_prefix(concat!("lamplight ", env!("CARGO_PKG_VERSION"), " (")).unwrap();
    let commit = commit.strip_suffix(')').unwrap().trim_end_matches('+');
    let is_hash = commit.len() == 12 && commit.chars().all(|letter| letter.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{whole}");
    let features = lines[1].strip_prefix("features: ").unwrap();
    for (on, name) in [
        (cfg!(feature = "cuda"), "cuda"),
        (cfg!(target_os = "macos"), "metal"),
        (cfg!(feature = "mkl"), "mkl"),
        (cfg!(feature = "accelerate"), "accelerate"),
    ] {
        assert_eq!(features.split(", ").any(|feature| feature == name), on, "{name} in {whole}");
    }
    assert!(lines[2].strip_prefix("platform: ").unwrap().contains(std::env::consts::ARCH));
}

#[test]
fn every_command_has_a_manual_page_and_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    printed(&["manual", folder.path().join("man1").to_str().unwrap()]);
    let page = |name: &str| fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    assert!(page("lamplight.1").contains(".TH lamplight 1"));
    let commands = commands();
    assert!(commands.len() > 25 && commands.contains("import-avocado"), "{commands:?}");
    for command in &commands {
        let page = page(&format!("lamplight-{command}.1"));
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{command}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}

/// The libraries that are opened when the window opens, as the gate looks for them: each with Debian's package.
fn libraries() -> Vec<(String, String)> {
    let gate = text(".ci/run");
    let pairs = gate.split_whitespace().filter_map(|word| word.split_once(':'));
    let pairs = pairs.filter(|(library, _)| library.starts_with("lib") && library.contains(".so."));
    pairs.map(|(library, package)| (library.to_owned(), package.trim_end_matches(';').to_owned())).collect()
}

#[test]
fn packages_ask_for_the_libraries_that_the_window_opens() {
    let metadata = package()["metadata"].clone();
    let libraries = libraries();
    assert!(libraries.len() >= 7, "{libraries:?}");
    let debian = |list: &toml::Value| -> BTreeSet<String> {
        list.as_str().unwrap().split(',').map(|name| name.trim().to_owned()).collect()
    };
    let plain = debian(&metadata["deb"]["depends"]);
    let cuda = debian(&metadata["deb"]["variants"]["cuda"]["depends"]);
    let rpm = metadata["generate-rpm"]["requires"].as_table().unwrap();
    for (library, package) in libraries {
        assert!(plain.contains(&package) && cuda.contains(&package), "{package}");
        assert!(rpm.contains_key(&format!("{library}()(64bit)")), "{library}");
    }
}

#[test]
fn what_packages_are_made_of_is_there() {
    let metadata = package()["metadata"].clone();
    for path in [
        metadata["deb"]["license-file"][0].as_str().unwrap(),
        metadata["deb"]["extended-description-file"].as_str().unwrap(),
        metadata["generate-rpm"]["post_uninstall_script"].as_str().unwrap(),
        "packaging/linux/debian/postrm",
        "packaging/windows/path.ps1",
        "packaging/macos/lamplight.entitlements",
    ] {
        assert!(root().join(path).is_file(), "{path}");
    }
    let manifest = text("packaging/windows/lamplight.manifest");
    roxmltree::Document::parse(&manifest).unwrap();
    for wanted in [">true</longPathAware>", "permonitorv2", "level=\"asInvoker\""] {
        assert!(manifest.contains(wanted), "{wanted}");
    }
    assert!(text("packaging/windows/lamplight.nsi").contains("RequestExecutionLevel user"));
    // What says that files stay says where they are.
    for script in ["packaging/linux/debian/postrm", "packaging/linux/rpm/postun"] {
        for folder in [".local/share/lamplight", ".config/lamplight", ".cache/lamplight"] {
            assert!(text(script).contains(folder), "{script}: {folder}");
        }
    }
}

#[test]
fn workflows_use_actions_by_their_commit() {
    let folder: PathBuf = root().join(".github/workflows");
    let mut used = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some((_, action)) = line.split_once("uses: ") else { continue };
            let (_, pin) = action.split_once('@').unwrap();
            let (hash, version) = pin.split_once(" # v").unwrap();
            assert!(
                hash.len() == 40 && hash.chars().all(|letter| letter.is_ascii_hexdigit()),
                "{}: {line}",
                path.display()
            );
            assert!(version.starts_with(|letter: char| letter.is_ascii_digit()), "{line}");
            used += 1;
        }
    }
    assert!(used > 5, "the workflows were not found");
}
