//! The line editor, on a thread of its own: history, completion, and what goes on while a line is typed.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, Helper, KeyEvent, Movement, RepeatCount,
};
use tokio::sync::{Notify, mpsc};
use unicode_width::UnicodeWidthChar;

use crate::desk::COMMANDS;
use crate::screen::Input;

/// How many lines can be called back.
const HISTORY: usize = 1000;

/// What the thread of the editor and the rest have in common.
#[derive(Debug, Default)]
pub struct Common {
    reads: Mutex<bool>,
    begins: Condvar,
    /// Something that is not a command is being typed.
    pub types: Notify,
    /// What may be completed to, besides commands.
    pub words: Mutex<Vec<String>>,
}

impl Common {
    /// Waits until the editor reads a line: only then does it show what others print in its order.
    pub fn until_it_reads(&self) {
        self.begins.wait_while(&mut self.reads.lock(), |reads| !*reads);
    }

    fn reads(&self, reads: bool) {
        *self.reads.lock() = reads;
        self.begins.notify_all();
    }
}

/// A prompt, plain and in colours.
pub type Prompt = (String, String);

/// What prints while a line is being typed, without mangling it.
pub type Printer = Box<dyn ExternalPrinter + Send>;

/// Starts the editor, which reads a line for each prompt. Fails if this is no terminal that a line can be edited on.
///
/// The printer hands a text over to the editor, and blocks while that has not taken the one before: it takes none between
/// two lines.
pub fn start(
    common: Arc<Common>,
    prompts: std::sync::mpsc::Receiver<Prompt>,
    inputs: mpsc::Sender<Input>,
) -> rustyline::Result<Printer> {
    let config = Config::builder().completion_type(CompletionType::List).max_history_size(HISTORY)?.build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::<Aid, MemHistory>::with_history(config, history)?;
    let printer = editor.create_external_printer()?;
    editor.set_helper(Some(Aid { common: Arc::clone(&common) }));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrLeave)));
    std::thread::spawn(move || {
        while let Ok(prompt) = prompts.recv() {
            let line = editor.readline(&prompt);
            common.reads(false);
            let input = match line {
                Ok(line) => {
                    // It is shown again as what it has become, in its place among the others.
                    if !line.starts_with('/') || line.starts_with("//") {
                        let width = editor.dimensions().map_or(80, |(columns, _)| usize::from(columns));
                        erase(&format!("{}{line}", prompt.0), width);
                    }
                    let _ = editor.add_history_entry(line.as_str());
                    Input::Line(line)
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => Input::End,
                Err(why) => Input::Broken(why.to_string()),
            };
            let over = matches!(input, Input::Broken(_));
            if inputs.blocking_send(input).is_err() || over {
                return;
            }
        }
    });
    Ok(Box::new(printer))
}

/// Takes what was typed off the screen again; the cursor stands below it.
fn erase(typed: &str, width: usize) {
    let mut out = io::stdout();
    let _ = write!(out, "\x1b[{}A\r\x1b[J", rows(typed, width)).and_then(|()| out.flush());
}

/// How many rows it takes, on a terminal so wide.
fn rows(typed: &str, width: usize) -> usize {
    let (mut row, mut column) = (0, 0);
    for c in typed.chars() {
        match c {
            '\n' => (row, column) = (row + 1, 0),
            '\t' => column += 8 - column % 8,
            _ => {
                let wide = c.width().unwrap_or(0);
                if column + wide > width {
                    (row, column) = (row + 1, 0);
                }
                column += wide;
            }
        }
        if column >= width {
            (row, column) = (row + 1, 0);
        }
    }
    row + 1
}

/// Ctrl-C clears the line; on an empty one it leaves.
struct ClearOrLeave;

impl ConditionalEventHandler for ClearOrLeave {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// What the editor asks while it reads.
struct Aid {
    common: Arc<Common>,
}

impl Helper for Aid {}

impl Completer for Aid {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..position];
        let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let begun = &typed[start..];
        let pair = |shown: String| Pair { replacement: format!("{shown} "), display: shown };
        let pairs = if start == 0 && begun.starts_with('/') {
            let commands = COMMANDS.iter().map(|(name, ..)| format!("/{name}"));
            commands.filter(|command| command.starts_with(begun)).map(pair).collect()
        } else {
            let words = self.common.words.lock();
            // A channel may be begun without its mark.
            let fits = |word: &&String| {
                !begun.is_empty()
                    && (word.starts_with(begun) || word.strip_prefix('#').is_some_and(|w| w.starts_with(begun)))
            };
            words.iter().filter(fits).cloned().map(pair).collect()
        };
        Ok((start, pairs))
    }
}

impl Hinter for Aid {
    type Hint = String;

    /// There are no hints; but this is what is called when a line is begun, and whenever it has changed.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.common.reads(true);
        if !line.is_empty() && !line.starts_with('/') {
            self.common.types.notify_one();
        }
        None
    }
}

impl Validator for Aid {
    /// Every line is good; but this is the last that is called before the editor stops reading.
    fn validate(&self, _: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        self.common.reads(false);
        Ok(ValidationResult::Valid(None))
    }
}

impl Highlighter for Aid {}
