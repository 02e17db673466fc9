//! Each threat in SECURITY.md names tests, and they exist.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table of threats, by cell.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let (_, section) = document.split_once("\n## Threats and tests\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    // Without the head.
    rows.skip(1).map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What is in a file, or in all those of a directory.
fn content(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).unwrap();
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|path| content(path)).collect()
}

/// Why a reference to tests leads nowhere. It is `make TARGET`, or a path, and after a colon what is meant in
/// it: names of tests, or words.
fn fault(reference: &str) -> Option<String> {
    let no = |what: &str| Some(format!("{reference}: no {what}"));
    if let Some(command) = reference.strip_prefix("`make ") {
        let makefile = content(&root().join("Makefile"));
        let target = command.trim_end_matches('`');
        return if makefile.contains(&format!("\n{target}: ")) { None } else { no(target) };
    }
    let (path, names) = reference.split_once(": ").unwrap_or((reference, ""));
    let path = root().join(path.split(' ').next().unwrap());
    if !path.exists() {
        return no(&path.display().to_string());
    }
    let text = content(&path);
    let is_test = |name: &str| {
        text.contains(&format!("fn {name}(")) || text.contains(&format!("test(\"{name}\""))
    };
    let tests = names.split('`').skip(1).step_by(2);
    tests.into_iter().find(|name| !is_test(name)).and_then(no)
}

#[test]
fn each_threat_names_what_is_done_and_tests_that_exist() {
    let document = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows = rows(&document);
    assert!(rows.len() > 60, "{}", rows.len());
    let mut faults = Vec::new();
    let mut names = 0;
    for row in rows {
        let [threat, answer, tests] = row[..] else { panic!("{row:?}") };
        assert!(!threat.is_empty() && !answer.is_empty() && !tests.is_empty(), "{row:?}");
        for reference in tests.split("; ") {
            faults.extend(fault(reference));
            names += reference.matches('`').count() / 2;
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(names > 150, "{names}");
}
