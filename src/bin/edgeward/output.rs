//! What the tool says, and how it ends.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
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
    bar: ProgressBar,
    stop: Option<Sender<()>>,
    shower: Option<JoinHandle<()>>,
}

impl Progress {
    /// Nobody knows how long it takes.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Self::show(None, "{spinner} {msg} ({elapsed})", what.into(), "")
    }

    /// It is so many of these units long.
    pub(crate) fn of_length(what: impl Into<String>, length: u64, unit: &'static str) -> Self {
        let template = "{msg} {bar:30} {pos} of {len} {prefix}";
        Self::show(Some(length), template, what.into(), unit)
    }

    fn show(length: Option<u64>, template: &str, what: String, unit: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
        bar.set_message(what);
        bar.set_prefix(unit);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let shown = bar.clone();
        let shower = std::thread::spawn(move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            // It draws nothing where standard error is no terminal.
            shown.set_draw_target(ProgressDrawTarget::stderr());
            shown.enable_steady_tick(Duration::from_millis(100));
            let _ended = stopped.recv();
            shown.finish_and_clear();
        });
        Self { bar, stop: Some(stop), shower: Some(shower) }
    }

    /// So much of the length is done.
    pub(crate) fn reach(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// What goes on now.
    pub(crate) fn tell(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
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
