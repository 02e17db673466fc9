//! The origins of `examples/origins`, built and started as their users do it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::OnceCell,
};

use super::{Reply, client::Request, eventually, raw};
use crate::workerd;

/// What an example is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust, with axum and `jsonwebtoken`.
    Axum,
    /// JavaScript, with Express and jose.
    Express,
    /// Python, with `FastAPI` and `PyJWT`.
    FastApi,
    /// Go, with its standard library.
    Go,
}

/// A running example; it ends with this value.
pub struct Example {
    /// Where it listens.
    pub addr: SocketAddr,
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Axum, Self::Express, Self::FastApi, Self::Go];

    fn folder(self) -> PathBuf {
        workerd::root().join("examples/origins").join(match self {
            Self::Axum => "axum",
            Self::Express => "express",
            Self::FastApi => "fastapi",
            Self::Go => "go",
        })
    }

    /// Whether what it needs is there; `tools/install.sh test` installs it.
    async fn is_installed(self) -> bool {
        match self {
            Self::Axum => true,
            Self::Express => self.folder().join("node_modules/.installed-lock.json").exists(),
            Self::FastApi => {
                workerd::root().join(".tools/fastapi/.installed-requirements.txt").exists()
            }
            Self::Go => Command::new("go").arg("version").output().await.is_ok(),
        }
    }

    /// How it is started. The first time, it is built.
    async fn command(self) -> Command {
        static AXUM: OnceCell<PathBuf> = OnceCell::const_new();
        static GO: OnceCell<PathBuf> = OnceCell::const_new();
        let folder = self.folder();
        match self {
            Self::Axum => Command::new(AXUM.get_or_init(|| build_axum(&folder)).await),
            Self::Go => Command::new(GO.get_or_init(|| build_go(&folder)).await),
            Self::Express => {
                let mut node = Command::new(workerd::root().join("node_modules/.bin/node"));
                node.arg(folder.join("origin.mjs"));
                node
            }
            Self::FastApi => {
                let mut interpreter = Command::new(python());
                interpreter.arg(folder.join("main.py")).env("PYTHONDONTWRITEBYTECODE", "1");
                interpreter
            }
        }
    }
}

/// The interpreter of the environment with the packages of `requirements.txt`.
fn python() -> PathBuf {
    workerd::root().join(".tools/fastapi/bin/python")
}

/// With what the tests were built of where the versions are the same, which is most of it.
async fn build_axum(folder: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workerd::root().join("target"), PathBuf::from);
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--quiet", "--target-dir"]).arg(&target).current_dir(folder);
    finish(cargo).await;
    target.join("debug/origin-axum")
}

async fn build_go(folder: &Path) -> PathBuf {
    let program = workerd::root().join("target/origin-go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".").current_dir(folder);
    finish(go).await;
    program
}

async fn finish(mut command: Command) {
    let output = command.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}");
}

impl Example {
    /// Starts it, where what it needs is there, and waits until it listens. Its keys are at this URL.
    ///
    /// # Panics
    ///
    /// With `CI` set where something is missing, and when it does not come up, with what it printed.
    pub async fn start(language: Language, jwks: &str, audience: &str) -> Option<Self> {
        if !language.is_installed().await {
            assert!(std::env::var_os("CI").is_none(), "{language:?}: tools/install.sh test");
            println!("skipped: what {language:?} needs is not installed");
            return None;
        }
        let mut child = language
            .command()
            .await
            .env("EDGEWARD_JWKS", jwks)
            .env("EDGEWARD_AUDIENCE", audience)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let printed = Arc::<Mutex<String>>::default();
        tokio::spawn(keep(child.stdout.take().unwrap(), Arc::clone(&printed)));
        tokio::spawn(keep(child.stderr.take().unwrap(), Arc::clone(&printed)));
        let mut addr = None;
        eventually("the example listens", async || {
            let printed = printed.lock().unwrap().clone();
            assert!(child.try_wait().unwrap().is_none(), "{language:?} has ended:\n{printed}");
            addr = printed.lines().find_map(listens);
            addr.is_some()
        })
        .await;
        Some(Self { addr: addr.unwrap(), child, printed })
    }

    /// Asks it without any gate.
    pub async fn ask(&self, request: &Request) -> Reply {
        raw(self.addr, &request.bytes()).await
    }

    /// Everything that it printed so far.
    pub fn log(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// Fails if it has ended.
    pub fn must_run(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "{}", self.log());
    }
}

async fn keep(output: impl AsyncRead + Unpin, printed: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut printed = printed.lock().unwrap();
        printed.push_str(&line);
        printed.push('\n');
    }
}

/// The address in a line that says where it listens.
fn listens(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    rest.split_whitespace().next()?.parse().ok()
}
