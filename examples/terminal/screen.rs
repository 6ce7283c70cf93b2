//! Where lines come from and go to: a terminal with a line editor, or pipes with plain lines.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::desk::Line;
use crate::editor::{self, Common, Printer, Prompt};

/// How many lines wait to be looked at.
const INPUTS: usize = 64;
/// With so many texts not shown yet there is no room for more.
const HELD: usize = 100;
/// How long the last lines may take to be shown.
const LAST: Duration = Duration::from_secs(2);
/// Shows nothing: up a row, and down again.
const NUDGE: &str = "\x1b[A\n";

/// What the user does.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    Line(String),
    /// The user wants to leave.
    End,
    /// The terminal does not work.
    Broken(String),
}

/// The screen.
pub struct Screen {
    pub common: Arc<Common>,
    colours: bool,
    tty: Option<Tty>,
}

struct Tty {
    prompts: SyncSender<Prompt>,
    prompt: String,
    /// Not handed to the printer yet.
    held: Vec<String>,
    printer: mpsc::Sender<Job>,
    before: Termios,
}

/// What the printer's thread does: in the editor's hands things can take as long as it takes to type a line.
enum Job {
    Show(String),
    /// Say when everything before stands on the screen.
    Tell(oneshot::Sender<()>),
}

impl Screen {
    /// Takes the terminal, or else the pipes that there are.
    pub fn open() -> (Self, mpsc::Receiver<Input>) {
        let (tell, inputs) = mpsc::channel(INPUTS);
        let common = Arc::new(Common::default());
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = io::stdout().is_terminal() && !plain;
        let tty = Tty::open(&common, &tell);
        if tty.is_none() {
            std::thread::spawn(move || read_plain(&tell));
        }
        (Self { common, colours, tty }, inputs)
    }

    /// Shows lines, above the one that is being typed.
    pub fn print(&mut self, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let text = lines.iter().map(|line| line.paint(self.colours) + "\n").collect();
        match &mut self.tty {
            Some(tty) => tty.held.push(text),
            None => write_out(&text)?,
        }
        Ok(())
    }

    /// Whether someone sits before it.
    pub fn is_terminal(&self) -> bool {
        self.tty.is_some()
    }

    /// Whether more can be shown now.
    pub fn has_room(&self) -> bool {
        self.tty.as_ref().is_none_or(|tty| tty.held.len() < HELD)
    }

    /// Hands on what is not shown yet, as soon as that can be done; waits if there is nothing. May be dropped while it
    /// waits, without loss.
    pub async fn hand_on(&mut self) {
        let Some(tty) = self.tty.as_mut().filter(|tty| !tty.held.is_empty()) else {
            return std::future::pending().await;
        };
        match tty.printer.reserve().await {
            Ok(room) => room.send(Job::Show(std::mem::take(&mut tty.held).concat())),
            Err(_) => tty.held.clear(),
        }
    }

    /// Waits until everything stands on the screen.
    pub async fn finish(&mut self) {
        let shown = async {
            while self.tty.as_ref().is_some_and(|tty| !tty.held.is_empty()) {
                self.hand_on().await;
            }
            if let Some(tty) = &self.tty {
                let (tell, told) = oneshot::channel();
                let _ = tty.printer.send(Job::Tell(tell)).await;
                let _ = told.await;
            }
        };
        let _ = timeout(LAST, shown).await;
    }

    /// Lets the next line be typed, after this prompt.
    pub fn go_on(&mut self, prompt: &Line) {
        if let Some(tty) = &mut self.tty {
            tty.prompt = prompt.paint(false);
            let _ = tty.prompts.try_send((tty.prompt.clone(), prompt.paint(self.colours)));
        }
    }
}

impl Tty {
    fn open(common: &Arc<Common>, tell: &mpsc::Sender<Input>) -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let (prompts, asked) = std::sync::mpsc::sync_channel(1);
        let printer = editor::start(Arc::clone(common), asked, tell.clone()).ok()?;
        // The editor echoes what is typed; between two lines nobody should, or it would stand on the screen twice.
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &silent).ok()?;
        let (jobs, begun) = mpsc::channel(1);
        let common = Arc::clone(common);
        std::thread::spawn(move || print_on(printer, &common, begun));
        Some(Self { prompts, prompt: String::new(), held: vec![], printer: jobs, before })
    }
}

impl Drop for Tty {
    /// The terminal as it was: the editor may be in the middle of a line.
    fn drop(&mut self) {
        // Pastes unmarked again, and the cursor below what was typed.
        let below = if self.prompt.is_empty() { "\r\x1b[J" } else { "\r\n" };
        let _ = write_out(&format!("\x1b[?2004l{below}"));
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

fn print_on(mut printer: Printer, common: &Common, mut jobs: mpsc::Receiver<Job>) {
    let mut print = |text: String| {
        common.until_it_reads();
        printer.print(text).is_ok()
    };
    while let Some(job) = jobs.blocking_recv() {
        let done = match job {
            Job::Show(text) => print(text),
            Job::Tell(tell) => {
                // When the second is taken, the first was taken, and what was before it is shown.
                let done = print(NUDGE.to_owned()) && print(NUDGE.to_owned());
                let _ = tell.send(());
                done
            }
        };
        if !done {
            return;
        }
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Reads lines as they come. What is not UTF-8 in them is replaced.
fn read_plain(tell: &mpsc::Sender<Input>) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {
                let line = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                if tell.blocking_send(Input::Line(line)).is_err() {
                    return;
                }
            }
            Err(why) => {
                let _ = tell.blocking_send(Input::Broken(why.to_string()));
                return;
            }
        }
    }
    let _ = tell.blocking_send(Input::End);
}
