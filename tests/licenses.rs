//! The list of packages and licenses that the program shows is that of the lock file.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files must fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_list_names_what_the_lock_file_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock: toml::Table = fs::read_to_string(root.join("Cargo.lock")).unwrap().parse().unwrap();
    let text = |package: &toml::Value, key: &str| package[key].as_str().unwrap().to_owned();
    let packages = lock["package"].as_array().unwrap();
    let locked: BTreeSet<String> = packages
        .iter()
        .map(|package| format!("{} {}", text(package, "name"), text(package, "version")))
        .collect();
    let list = fs::read_to_string(root.join("resources/licenses/third_party.txt")).unwrap();
    let listed: BTreeSet<String> =
        list.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
    let gone: Vec<_> = listed.difference(&locked).collect();
    assert!(gone.is_empty(), "run resources/licenses/make_list.py: not in Cargo.lock: {gone:?}");
    let names: BTreeSet<&str> = listed.iter().filter_map(|line| line.split(' ').next()).collect();
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let missing: Vec<_> = manifest["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .filter(|name| !names.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "run resources/licenses/make_list.py: not listed: {missing:?}");
}
