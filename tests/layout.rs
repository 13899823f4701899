//! The table of crates in ARCHITECTURE.md, held against what cargo knows and what the sources say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Libraries that one crate alone may name: whoever needs them goes through that crate.
const OWNED: [(&str, &str); 4] =
    [("tch", "model"), ("torch-sys", "model"), ("libp2p", "network"), ("opendp", "privacy")];

/// The longest source file, in lines.
const LONGEST_FILE: usize = 600;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap()
}

/// What each crate may name of ours: the table under *Boundaries* in ARCHITECTURE.md. A row may stand for several crates.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| crate | may name |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let words = |cell: &str| -> BTreeSet<String> {
        let named = cell.split(',').map(|name| name.trim().to_owned());
        named.filter(|name| name != "no crate of ours").collect()
    };
    let cells = rows.map(|row| row.trim_matches('|').split_once('|').expect("two columns"));
    let table: BTreeMap<_, _> = cells
        .flat_map(|(crates, named)| words(crates).into_iter().map(move |name| (name, words(named))))
        .collect();
    assert!(table.len() > 15, "the table under Boundaries was not found: {table:?}");
    table
}

/// What a package names of ours, in normal, build and development dependencies.
fn ours<'a>(package: &'a Package, packages: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let named = package.dependencies.iter().map(|dependency| dependency.name.as_str());
    named.filter(|name| packages.contains(*name)).collect()
}

fn names(metadata: &Metadata) -> BTreeSet<String> {
    metadata.packages.iter().map(|package| package.name.to_string()).collect()
}

#[test]
fn every_crate_names_only_what_the_table_allows() {
    let (metadata, table) = (metadata(), table());
    let packages = names(&metadata);
    for package in metadata.packages.iter().filter(|package| package.name.as_str() != "tests") {
        let row = table.get(package.name.as_str());
        let row = row.unwrap_or_else(|| panic!("{} is not in the table of crates", package.name));
        let allowed: BTreeSet<&str> = row.iter().map(String::as_str).collect();
        // A crate's own examples may be listed as depending on itself.
        let named: BTreeSet<&str> = ours(package, &packages)
            .into_iter()
            .filter(|name| *name != package.name.as_str())
            .collect();
        let forbidden: Vec<_> = named.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{} may not name {forbidden:?}", package.name);
    }
}

#[test]
fn every_row_of_the_table_is_a_crate() {
    let packages = names(&metadata());
    for (name, named) in table() {
        let unknown = named.iter().chain([&name]).find(|name| !packages.contains(*name));
        assert_eq!(unknown, None, "in the table, but not in the workspace");
    }
}

#[test]
fn heavy_libraries_have_one_owner() {
    for package in metadata().packages {
        for (library, owner) in OWNED {
            let names_it = package.dependencies.iter().any(|dependency| dependency.name == library);
            assert_eq!(names_it, package.name.as_str() == owner, "{} and {library}", package.name);
        }
    }
}

#[test]
fn every_shared_crate_has_two_users() {
    let metadata = metadata();
    let packages = names(&metadata);
    let shared = metadata.packages.iter().filter(|package| is_shared(package));
    // A program under `shared/` has people for users.
    for package in shared.filter(|package| !package.targets.iter().any(|target| target.is_bin())) {
        let users: BTreeSet<&str> = metadata
            .packages
            .iter()
            .filter(|user| user.name != package.name && user.name.as_str() != "tests")
            .filter(|user| ours(user, &packages).contains(package.name.as_str()))
            .map(|user| user.name.as_str())
            .collect();
        assert!(users.len() >= 2, "{} has too few users: {users:?}", package.name);
    }
}

fn is_shared(package: &Package) -> bool {
    package
        .manifest_path
        .parent()
        .and_then(|folder| folder.parent())
        .is_some_and(|f| f.ends_with("shared"))
}

/// The Rust sources of the workspace with their paths from its root.
fn sources() -> Vec<(String, String)> {
    let (root, mut found) = (workspace(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') || name == "target";
            if path.is_dir() && !hidden {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let place = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((place, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 100, "the sources were not found");
    found
}

#[test]
fn no_source_file_is_too_long() {
    for (place, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{place} has {lines} lines: split it");
    }
}

/// Files that may write `Contribution {`: where a release is masked, where the message is defined, and tests that
/// need bytes which are nobody's.
const CONTRIBUTORS: [&str; 4] =
    ["shared/protocol/src/job/contribute.rs", "shared/wire/", "shared/network/tests/", "tests/"];

/// Release and masks meet in one file: nothing else can make a contribution (ARCHITECTURE.md, *The privacy path*).
#[test]
fn a_contribution_is_made_in_one_place() {
    let mut made = 0;
    for (place, text) in sources() {
        let makes = text.lines().any(makes_a_contribution);
        made += usize::from(makes && place == CONTRIBUTORS[0]);
        let allowed = CONTRIBUTORS.iter().any(|allowed| place.starts_with(allowed));
        assert!(!makes || allowed, "{place} makes a Contribution");
    }
    assert_eq!(made, 1, "{} makes none", CONTRIBUTORS[0]);
}

/// `Contribution {` as a whole word, but for definitions and return types.
fn makes_a_contribution(line: &str) -> bool {
    line.match_indices("Contribution {").any(|(at, _)| {
        let before = line[..at].trim_end();
        let whole = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        whole && !["struct", "for", "->", "impl", "enum"].iter().any(|word| before.ends_with(word))
    })
}

#[test]
fn making_is_told_from_defining() {
    assert!(makes_a_contribution("Ok((Contribution { task, round }, charge))"));
    assert!(makes_a_contribution("let made = wire::Contribution { task };"));
    assert!(!makes_a_contribution("pub struct Contribution {"));
    assert!(!makes_a_contribution("fn contribution() -> Contribution {"));
    assert!(!makes_a_contribution("LocalContribution { task }"));
}

/// Whoever uses a library is named by one of these.
const USERS: [&str; 4] = ["use", "programs", "person", "drive"];

/// A library's first page says what it never does, and who uses it.
#[test]
fn every_front_page_says_never_and_who() {
    for package in metadata().packages.iter().filter(|package| package.name.as_str() != "tests") {
        let file = package.manifest_path.parent().unwrap().join("src/lib.rs");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let header = header.to_lowercase();
        assert!(header.contains("never"), "{file}: the first page does not say what it never does");
        let who = USERS.iter().any(|word| header.contains(word));
        assert!(who, "{file}: the first page does not say who uses it");
    }
}

/// Names of tests as `ARCHITECTURE.md` writes them: in backticks, of small letters, with underscores.
fn named_tests(architecture: &str) -> BTreeSet<&str> {
    let sections = architecture.split("\n## ").filter(|section| {
        section.starts_with("The eight promises") || section.starts_with("Attacks")
    });
    let quoted = sections.flat_map(|section| section.split('`').skip(1).step_by(2));
    quoted.filter(|name| is_test(name)).collect()
}

/// At least three words: `n_min` is a number, `a_plan_is_refused` a sentence.
fn is_test(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(is_word) && name.matches('_').count() >= 2
}

/// The promises and the table of attacks say which test plays what: each of them must be there.
#[test]
fn every_test_that_the_architecture_names_exists() {
    let architecture = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let named = named_tests(&architecture);
    assert!(named.len() > 100, "only {} tests are named", named.len());
    let sources = sources();
    let is_there = |name: &str| {
        let definition = format!("fn {name}(");
        sources.iter().any(|(_, text)| text.contains(&definition))
    };
    let missing: Vec<_> = named.into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names tests that are not there: {missing:#?}");
}

/// An attack without a test is a hope.
#[test]
fn every_attack_has_a_test() {
    let architecture = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let section = architecture.split("\n## Attacks").nth(1).expect("a section on attacks");
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 25, "only {} attacks", rows.len());
    for row in rows {
        assert!(row.split('`').skip(1).step_by(2).any(is_test), "no test plays this: {row}");
    }
}
