//! The inputs in `fuzz/corpus`, and what the fuzz targets say about them: `fuzz/src` has both the targets and
//! what must hold.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::targets;

/// This is a test of two packages.
fn corpora() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = package.join("fuzz/corpus");
    if folder.is_dir() { folder } else { package.join("corpus") }
}

fn files(target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpora().join(target)).expect("each target has a corpus");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Hands all inputs of a target to it. The name of one that fails is the last one that was printed.
fn replay(target: &str, check: fn(&[u8])) {
    let files = files(target);
    assert!(files.len() >= 5, "{target} has {} inputs", files.len());
    for file in files {
        println!("{}", file.display());
        check(&fs::read(&file).unwrap());
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                replay(stringify!($name), targets::$name::check);
            }
        )*
    };
}

targets! {
    admin claims configuration decide delta entry headers introspection json jwk_set kv_list order path rules secret
    secret_der subprotocol token verification
}

#[test]
#[cfg_attr(miri, ignore = "it is about files alone, and slow there")]
fn every_target_and_every_corpus_is_replayed() {
    let names: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let file_names = |folder: PathBuf| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        entries.map(|entry| stem(entry.unwrap().path())).collect()
    };
    assert_eq!(file_names(corpora()), names);
    assert_eq!(file_names(corpora().with_file_name("targets")), names);
}

#[test]
#[cfg_attr(miri, ignore = "it is about files alone, and slow there")]
fn the_corpora_stay_small() {
    let size = |file: &PathBuf| fs::metadata(file).unwrap().len();
    for target in NAMES {
        assert!(files(target).len() <= 100, "{target}");
    }
    let bytes: u64 = NAMES.iter().flat_map(|target| files(target)).map(|file| size(&file)).sum();
    assert!(bytes < 1_000_000, "{bytes}");
}
