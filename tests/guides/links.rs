//! Links between the documents of the repository, and what no command in them may do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents that readers are sent to.
fn documents() -> Vec<PathBuf> {
    let in_docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let at_root = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name));
    in_docs.chain(at_root).filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

/// The anchors that a document has: its headings, as GitHub writes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| {
            let kept = heading.chars().filter(|one| one.is_alphanumeric() || " -_".contains(*one));
            kept.map(|one| if one == ' ' { '-' } else { one }).collect()
        })
        .collect()
}

#[test]
fn every_link_inside_of_the_repository_leads_somewhere() {
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|(target, _)| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let what = format!("{}: {target}", document.display());
            let linked = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            assert!(linked.exists(), "{what}");
            if !anchor.is_empty() {
                assert!(anchors(&fs::read_to_string(&linked).unwrap()).contains(anchor), "{what}");
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked} links");
}

#[test]
fn no_command_has_the_admin_token_or_a_token_of_production_among_its_arguments() {
    let mut by_input = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for line in text.lines() {
            let what = format!("{}: {line}", document.display());
            assert!(!line.contains(r#"-H "Authorization: Bearer $ADMIN_TOKEN"#), "{what}");
            let (is_shown, is_given) = (line.contains("-d '{"), line.contains(r#""token": "#));
            assert!(!is_shown || !is_given, "{what}");
            by_input += usize::from(line.contains("-H @- "));
        }
    }
    assert!(by_input > 8, "{by_input}");
}
