//! The program, and a folder for what it reads and writes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What it said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn must_be(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// It must be a mistake of usage with these words in its only sentence.
    #[track_caller]
    pub fn must_refuse(self, words: &str) -> Self {
        let said = self.must_be(2);
        assert!(said.err.contains(words), "{words}: {}", said.err);
        assert_eq!(said.out, "");
        said
    }
}

/// A folder of its own for a test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// With a word of its configuration replaced.
    pub fn with(self, word: &str, other: &str) -> Self {
        self.write("wrangler.toml", &self.read("wrangler.toml").replace(word, other));
        self
    }

    /// Runs the program here.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "", &[])
    }

    /// With this on its standard input, and with these variables.
    pub fn run_with(&self, arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgeward"));
        command.current_dir(self.0.path()).args(arguments);
        for name in [
            "EDGEWARD_ADMIN_TOKEN",
            "ADMIN_TOKEN",
            "JWT_KEYS",
            "ASSERTION_KEY",
            "INTROSPECTION_SECRET",
        ] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end without having read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs the program in an empty folder.
pub fn run(arguments: &[&str]) -> Said {
    Folder::new().run(arguments)
}
