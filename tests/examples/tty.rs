//! The terminal on a terminal: a pseudo-terminal, and what stands on its screen.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::program;
use crate::support::{DEADLINE, Engine, Site, Stage, Transport};

const COLUMNS: usize = 60;

/// As much of a terminal as a line editor uses: rows of characters, and a cursor.
#[derive(Default)]
struct Rows {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Rows {
    fn line(&mut self) -> &mut Vec<char> {
        while self.rows.len() <= self.row {
            self.rows.push(vec![]);
        }
        &mut self.rows[self.row]
    }

    /// Draws what was written, and returns what of it is not complete yet.
    fn draw(&mut self, text: &str) -> String {
        let mut rest = text.chars();
        loop {
            let here = rest.as_str();
            match rest.next() {
                None => return String::new(),
                Some('\r') => self.column = 0,
                Some('\n') => (self.row, self.column) = (self.row + 1, 0),
                Some('\u{1b}') => {
                    let Some(end) = here[1..].find(|c: char| c.is_ascii_alphabetic()) else { return here.to_owned() };
                    let (code, after) = here[1..].split_at(end + 1);
                    rest = after.chars();
                    self.obey(code);
                }
                Some(c) => {
                    if self.column == COLUMNS {
                        (self.row, self.column) = (self.row + 1, 0);
                    }
                    let column = self.column;
                    let line = self.line();
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = c;
                    self.column += 1;
                }
            }
        }
    }

    /// Control sequences (ECMA-48, section 8.3): cursor up, down, forward and back, erase in page and in line.
    fn obey(&mut self, code: &str) {
        let (numbers, last) = code[1..].split_at(code.len() - 2);
        let count = numbers.parse().unwrap_or(1);
        let column = self.column;
        match last {
            "A" => self.row = self.row.saturating_sub(count),
            "B" => self.row += count,
            "C" => self.column += count,
            "D" => self.column = column.saturating_sub(count),
            "K" => self.line().truncate(column),
            "J" => {
                self.line().truncate(column);
                self.rows.truncate(self.row + 1);
            }
            // Colours, and modes that do not show.
            "m" | "h" | "l" => {}
            other => panic!("what is {other:?} in {code:?}?"),
        }
    }

    fn shown(&self) -> Vec<String> {
        let text = |row: &Vec<char>| row.iter().collect::<String>().trim_end().to_owned();
        self.rows.iter().map(text).collect()
    }
}

struct Tty {
    child: Child,
    keys: File,
    written: mpsc::UnboundedReceiver<Vec<u8>>,
    rest: String,
    rows: Rows,
}

impl Tty {
    fn start(site: &Site, home: &std::path::Path) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&keys).expect("it may be used");
        unlockpt(&keys).expect("it may be opened");
        let extent = Winsize { ws_row: 24, ws_col: COLUMNS as u16, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keys, extent).expect("it has a size");
        let name = ptsname(&keys, vec![]).expect("it has a name").into_string().expect("plain");
        let other_side = || Stdio::from(OpenOptions::new().read(true).write(true).open(&name).expect("the other side"));
        let mut command = Command::new(program::path("terminal"));
        command.arg(format!("http://{}", site.address)).args(["--name", "ann"]);
        command.env_clear().env("HOME", home).env("TERM", "xterm").env("NO_COLOR", "1").kill_on_drop(true);
        command.stdin(other_side()).stdout(other_side()).stderr(other_side());
        let child = command.spawn().expect("it starts");
        let (tell, written) = mpsc::unbounded_channel();
        let mut screen = File::from(keys.try_clone().expect("another handle"));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The other side's end is an error here.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys: File::from(keys), written, rest: String::new(), rows: Rows::default() }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
    }

    /// Waits until the screen is such.
    async fn until(&mut self, what: &str, fits: impl Fn(&[String]) -> bool) {
        let mut bytes = std::mem::take(&mut self.rest).into_bytes();
        let waiting = async {
            while !fits(&self.rows.shown()) {
                let Some(more) = self.written.recv().await else { return false };
                bytes.extend(more);
                // A character may come in pieces too.
                let whole = std::str::from_utf8(&bytes).map_or_else(|why| why.valid_up_to(), str::len);
                let left = bytes.split_off(whole);
                let text = String::from_utf8(std::mem::replace(&mut bytes, left)).expect("it was seen to be");
                let rest = self.rows.draw(&text);
                bytes.splice(..0, rest.into_bytes());
            }
            true
        };
        let came = timeout(DEADLINE, waiting).await.unwrap_or(false);
        self.rest = String::from_utf8(bytes).expect("nothing is in pieces now");
        assert!(came, "not so: {what}: {:#?}", self.rows.shown());
    }

    async fn last_row(&mut self, text: &str) {
        self.until(text, |rows| rows.last().is_some_and(|row| row == text)).await;
    }
}

/// A row without its time and the ends of names, which are never the same.
fn plain(row: &str) -> String {
    let row = row.split_once("] ").filter(|(time, _)| time.starts_with('[')).map_or(row, |(_, rest)| rest);
    match row.split_once('~') {
        Some((name, rest)) => format!("{name}{}", &rest[5..]),
        None => row.to_owned(),
    }
}

#[tokio::test]
async fn what_comes_while_a_line_is_typed_stands_above_it() {
    let site = Stage { engine: Engine::Memory, transport: Transport::WebSocket }.site().await;
    let home = tempfile::tempdir().expect("a directory");
    let mut bob = site.guest("bob").await;
    bob.join("lobby").await;
    let bob_name = bob.user().to_owned();
    let mut tty = Tty::start(&site, home.path());
    tty.until("joined", |rows| rows.iter().any(|row| row.starts_with("in #lobby"))).await;
    tty.last_row("#lobby>").await;

    tty.types("what I am saying here goes on for ");
    tty.last_row("#lobby> what I am saying here goes on for").await;
    bob.event("typing").await;
    bob.publish("lobby", "may I").await;
    bob.publish("lobby", "interrupt?").await;
    tty.until("bob", |rows| rows.iter().any(|row| row.ends_with("interrupt?"))).await;
    tty.last_row("#lobby> what I am saying here goes on for").await;
    tty.types("longer than a row\r");
    let heard = bob.event_where("message", |frame| frame["from"] != bob_name).await;
    assert_eq!(heard["body"]["text"], "what I am saying here goes on for longer than a row");
    tty.until("its own", |rows| rows.iter().any(|row| row == " than a row")).await;
    tty.last_row("#lobby>").await;

    // Called back, cleared, and completed.
    tty.types("\u{1b}[A");
    tty.until("history", |rows| rows.last().is_some_and(|row| row.ends_with("a row"))).await;
    tty.types("\u{3}");
    tty.last_row("#lobby>").await;
    tty.types("/presence bo\t");
    tty.until("completion", |rows| rows.last().is_some_and(|row| plain(row) == "#lobby> /presence bob")).await;
    tty.types("\r");
    tty.until("presence", |rows| rows.iter().any(|row| row.ends_with(" is online"))).await;
    tty.last_row("#lobby>").await;
    let rows = tty.rows.shown();
    let entered = rows.iter().position(|row| row.starts_with("in #lobby")).expect("it was there");
    let rows: Vec<String> = rows[entered + 1..].iter().map(|row| plain(row)).collect();
    assert_eq!(
        rows,
        [
            "#lobby bob: may I",
            "#lobby bob: interrupt?",
            "#lobby you: what I am saying here goes on for longer",
            " than a row",
            "#lobby> /presence bob",
            "bob is online",
            "#lobby>",
        ]
    );

    tty.types("\u{3}");
    let ended = timeout(DEADLINE, tty.child.wait()).await.expect("an end").expect("it can be waited for");
    assert!(ended.success());
    let after = tcgetattr(&tty.keys).expect("a terminal").local_modes;
    assert!(after.contains(LocalModes::ICANON | LocalModes::ECHO), "the terminal is left as it was: {after:?}");
}

#[tokio::test]
async fn nothing_is_lost_or_out_of_order_when_much_comes_while_lines_are_typed() {
    let site = Stage { engine: Engine::Memory, transport: Transport::WebSocket }.site().await;
    let home = tempfile::tempdir().expect("a directory");
    let mut bob = site.guest("bob").await;
    bob.join("lobby").await;
    let mut tty = Tty::start(&site, home.path());
    tty.until("joined", |rows| rows.iter().any(|row| row.starts_with("in #lobby"))).await;
    tty.last_row("#lobby>").await;
    for round in 0..20 {
        tty.types(&format!("line {round:02}\r"));
        bob.publish_many("lobby", 20).await;
    }
    let ending = |row: &String, end: &str| row.ends_with(end);
    tty.until("all", |rows| {
        rows.iter().filter(|row| ending(row, ": number 19")).count() == 20
            && rows.iter().any(|row| ending(row, "you: line 19"))
    })
    .await;
    tty.last_row("#lobby>").await;
    let rows = tty.rows.shown();
    let told = |begins: &str| -> Vec<String> {
        let rest = rows.iter().filter_map(|row| row.split_once(begins)).map(|(_, rest)| rest.to_owned());
        rest.collect()
    };
    assert_eq!(told(": number "), (0..20).flat_map(|_| (0..20).map(|n| n.to_string())).collect::<Vec<_>>());
    assert_eq!(told("you: line "), (0..20).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    // What was typed is gone from where it was typed, even if the editor was not ready for it.
    let messages = rows.iter().filter(|row| row.starts_with('[')).count();
    assert_eq!((messages, rows.len()), (420, 420 + 5), "{rows:#?}");
    tty.types("\u{4}");
    let ended = timeout(DEADLINE, tty.child.wait()).await.expect("an end").expect("it can be waited for");
    assert!(ended.success());
}

#[tokio::test]
async fn who_does_not_wait_for_the_server_is_told_what_was_not_sent() {
    let mut site = Stage { engine: Engine::Memory, transport: Transport::WebSocket }.site().await;
    let home = tempfile::tempdir().expect("a directory");
    let mut tty = Tty::start(&site, home.path());
    tty.until("joined", |rows| rows.iter().any(|row| row.starts_with("in #lobby"))).await;
    site.stop().await;
    tty.until("offline", |rows| rows.iter().any(|row| row.starts_with("offline, trying again"))).await;
    tty.types("last words\r");
    tty.until("waits", |rows| rows.iter().any(|row| row == "[waits] #lobby you: last words")).await;
    tty.types("\u{4}");
    tty.until("patience", |rows| rows.iter().any(|row| row == "waiting for the server; Enter leaves at once")).await;
    tty.types("\r");
    tty.until("farewell", |rows| rows.iter().any(|row| row == "not known to be sent to #lobby: last words")).await;
    let ended = timeout(DEADLINE, tty.child.wait()).await.expect("an end").expect("it can be waited for");
    assert_eq!(ended.code(), Some(1));
}
