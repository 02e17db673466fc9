//! Programs in Node.js that stand in for a part of the world, and how a test talks to them.
//!
//! The settings are JSON in the only argument. The first line on standard output says that it has
//! started; after that, a line of JSON on standard input gets one on standard output. When its standard
//! input ends, so does it, whatever it is doing.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

use super::{PATIENCE, Value};
use crate::workerd;

/// A running program. It ends with this value, by its standard input and not by force, so that it can clean up.
pub struct Program {
    conversation: Mutex<Conversation>,
}

struct Conversation {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts a program, which is a path in the repository, and waits for its first line.
    pub async fn start(path: &str, settings: &Value) -> (Self, Value) {
        let mut child = Command::new(workerd::root().join("node_modules/.bin/node"))
            .arg(workerd::root().join(path))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node_modules/.bin/node starts; `npm ci` installs it");
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut conversation = Conversation { commands: child.stdin.take().unwrap(), answers };
        let first = conversation.answer().await;
        (Self { conversation: Mutex::new(conversation) }, first)
    }

    /// Gives a command and waits for the answer.
    pub async fn told(&self, command: &Value) -> Value {
        let mut conversation = self.conversation.lock().await;
        let line = format!("{command}\n");
        conversation.commands.write_all(line.as_bytes()).await.unwrap();
        conversation.answer().await
    }
}

impl Conversation {
    async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let line = line.expect("the program answers").unwrap();
        serde_json::from_str(&line.expect("the program has ended")).unwrap()
    }
}
