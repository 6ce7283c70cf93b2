//! Architecture rules, run as tests: who may import whom, where actors, the clock and sled may appear, what may
//! panic, how long a file is, and that every path in the docs is there. Each fault says how to mend it; each rule is
//! shown to be able to fail on a sample beside it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/scan.rs"]
mod scan;

use scan::Source;

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder whose names end so, by their paths from the root; none if there is no such folder.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn sources(folder: &str) -> Vec<Source> {
    files(folder, ".rs").iter().map(|path| Source::new(path, &read(path))).collect()
}

/// All Rust files.
fn everything() -> Vec<Source> {
    ["src", "tests", "examples", "benches"].into_iter().flat_map(sources).collect()
}

/// The sources under `src` that are there outside tests too.
fn shipped() -> Vec<Source> {
    let all = sources("src");
    let mut tests = HashSet::new();
    for source in &all {
        let folder = source.path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/lib");
        let bare = scan::without_comments(&source.text);
        tests.extend(scan::test_modules(&bare).map(|name| format!("{folder}/{name}")));
    }
    let only_test = |path: &str| {
        Path::new(path.trim_end_matches(".rs")).ancestors().any(|part| tests.contains(part.to_str().unwrap()))
    };
    // A file of tests beside the file that it tests is named after it, and included by its path.
    let shipped = |path: &str| !only_test(path) && !path.ends_with("_tests.rs");
    all.into_iter().filter(|source| shipped(&source.path)).collect()
}

/// Holds a rule against some files.
fn hold(sources: &[Source], rule: fn(&Source) -> Vec<String>) {
    assert!(!sources.is_empty(), "no files were found: the rule would hold of nothing");
    let wrong: Vec<_> = sources.iter().flat_map(rule).collect();
    assert!(wrong.is_empty(), "{} to mend:\n  {}", wrong.len(), wrong.join("\n  "));
}

#[test]
fn a_folder_imports_only_from_those_below_it() {
    hold(&shipped(), rules::layers);
}

#[test]
fn actors_the_clock_and_sled_appear_only_where_they_belong() {
    hold(&shipped(), rules::places);
}

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    hold(&shipped(), rules::panics);
}

#[test]
fn every_excuse_for_a_panic_is_still_needed() {
    for (path, piece, _) in rules::MAY_PANIC {
        let there = root().join(path).is_file() && read(path).contains(piece);
        assert!(there, "{path} no longer holds {piece:?}: take it out of MAY_PANIC in tests/tidy/rules.rs");
    }
}

#[test]
fn every_file_says_first_what_lives_in_it() {
    hold(&everything(), rules::heading);
}

#[test]
fn no_file_is_too_long_to_be_read() {
    hold(&everything(), rules::length);
}

#[test]
fn scripts_and_pages_are_held_to_the_same() {
    let of = |ending: &str| -> Vec<Source> {
        let found = ["web", "tests/browser", "clients"].into_iter().flat_map(|folder| files(folder, ending));
        let ours = found.filter(|path| !["/node_modules/", "clients/js/docs/"].iter().any(|made| path.contains(made)));
        ours.map(|path| Source::new(&path, &read(&path))).collect()
    };
    let scripts = of(".js");
    for all in [&scripts, &of(".css"), &of(".html")] {
        hold(all, rules::length);
        hold(all, rules::width);
    }
    hold(&scripts, rules::script_heading);
    hold(&scripts, rules::text_alone);
}

#[test]
fn every_path_that_the_docs_name_is_there() {
    let mut pages = files("docs", ".md");
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "clients/js/README.md"].map(str::to_owned));
    let mut wrong = Vec::new();
    for page in pages {
        for (line, path) in rules::named_paths(&page, &read(&page)) {
            if !root().join(&path).exists() {
                wrong.push(format!("{page}:{line}: {path} is not there: name where it is now, or take it out"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} to mend:\n  {}", wrong.len(), wrong.join("\n  "));
}
