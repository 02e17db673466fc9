//! What the tool says, and how it ends.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();
pub(crate) const QUIET: Style = Style::new().dimmed();

/// What takes longer than this is shown as going on.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the tool ends. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Good = 0,
    /// What was asked about is not as it should be.
    Problems = 1,
    /// The question cannot be understood, or what it names cannot be read.
    Usage = 2,
    /// A deployment cannot be reached, or fails.
    Unreachable = 3,
    /// A deployment does not let us.
    Refused = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why something was not done: one sentence with the mend, and no secret.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) sentence: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into() }
    }

    /// Something is wrong with the question.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// Tells it.
    pub(crate) fn tell(&self) {
        say_beside(&format!("{BAD}error:{BAD:#} {}\n", self.sentence));
    }
}

/// Writes to standard output. Whoever does not read on has seen enough.
pub(crate) fn say(text: &str) {
    let mut out = anstream::stdout().lock();
    let _unread = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error, for people alone.
pub(crate) fn say_beside(text: &str) {
    let mut out = anstream::stderr().lock();
    let _unread = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes JSON to standard output.
pub(crate) fn say_json(value: &Value) {
    say(&format!("{value:#}\n"));
}

/// Shows that something goes on, from the second second on, and only on a terminal. It ends with its life.
pub(crate) struct Progress {
    stop: Option<Sender<()>>,
    shower: Option<JoinHandle<()>>,
}

impl Progress {
    pub(crate) fn of(what: impl Into<String>) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let what = what.into();
        let shower = std::thread::spawn(move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            // It draws nothing where standard error is no terminal.
            let bar = ProgressBar::new_spinner().with_message(what).with_elapsed(PATIENCE);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            let _ended = stopped.recv();
            bar.finish_and_clear();
        });
        Self { stop: Some(stop), shower: Some(shower) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(shower) = self.shower.take() {
            let _panicked = shower.join();
        }
    }
}
