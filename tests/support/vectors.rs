//! Files of test vectors that others have collected. They are theirs, and no part of this repository.

use std::path::{Path, PathBuf};

/// A file of them, if it is at hand: in the folder that `EDGEWARD_VECTORS` names, which then has to have it, or in
/// a folder `vectors` of one beside the project. Says so where it is not.
pub fn read(file: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = std::env::var_os("EDGEWARD_VECTORS").map(|it| PathBuf::from(it).join(file));
    let beside = || {
        let folders = root.parent()?.read_dir().ok()?.flatten();
        folders.map(|it| it.path().join("vectors").join(file)).find(|it| it.is_file())
    };
    let Some(path) = path.or_else(beside) else {
        println!("skipped: no {file} at hand, see CONTRIBUTING.md");
        return None;
    };
    let text = std::fs::read_to_string(&path);
    Some(text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
