//! Two people at terminals, talking over a real server that goes away and comes back.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use parlor::config::Bind;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::program;
use crate::support::{DEADLINE, Engine, Site, Stage, Transport, publish};

#[path = "../../examples/terminal/desk/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the example uses more of it; here are its unit tests")]
mod desk;

/// A terminal whose keyboard and screen are pipes; it is killed when this is dropped.
struct Terminal {
    name: String,
    child: Child,
    keys: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    shown: Vec<String>,
}

impl Terminal {
    /// Starts one whose state is kept below a folder.
    fn start(site: &Site, home: &Path, name: &str, more: &[&str]) -> Self {
        let mut command = Command::new(program::path("terminal"));
        command.arg(format!("http://{}", site.address)).args(["--name", name]).args(more);
        command.env_clear().env("HOME", home).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let (tell, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = out.next_line().await {
                let _ = tell.send(line);
            }
        });
        Self { name: name.to_owned(), keys: child.stdin.take(), child, lines, shown: vec![] }
    }

    /// Starts one, and waits until it is in the lobby.
    async fn enter(site: &Site, home: &Path, name: &str, more: &[&str]) -> Self {
        let mut terminal = Self::start(site, home, name, more);
        terminal.shows("in #lobby").await;
        terminal
    }

    async fn types(&mut self, line: &str) {
        let keys = self.keys.as_mut().expect("it was not left");
        keys.write_all(format!("{line}\n").as_bytes()).await.expect("it reads");
    }

    /// The next line that holds this.
    async fn shows(&mut self, text: &str) -> String {
        let find = async {
            while let Some(line) = self.lines.recv().await {
                self.shown.push(line.clone());
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        };
        match timeout(DEADLINE, find).await.ok().flatten() {
            Some(line) => line,
            None => panic!("{} does not show {text:?}, but {:#?}", self.name, self.shown),
        }
    }

    /// Ends its input, and returns how it ended and all that it ever showed.
    async fn leave(mut self) -> (ExitStatus, Vec<String>) {
        drop(self.keys.take());
        let ended = timeout(2 * DEADLINE, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{} does not end: {:#?}", self.name, self.shown));
        while let Some(line) = self.lines.recv().await {
            self.shown.push(line);
        }
        (ended.expect("it can be waited for"), self.shown)
    }
}

/// The words that were said, in the order in which they were shown.
fn said(shown: &[String]) -> Vec<&str> {
    let message = |line: &&String| line.starts_with('[') && !line.starts_with("[waits]");
    shown.iter().filter(message).filter_map(|line| Some(line.split_once(": ")?.1)).collect()
}

/// A server on disk that comes back on the same port.
async fn site() -> Site {
    let stage = Stage { engine: Engine::Sled, transport: Transport::WebSocket };
    let mut site = stage.lasting_site(|_| {}).await;
    site.config.server.bind = Bind::Tcp(site.address);
    site
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// What one's own name ends in, from the line that says who one is.
async fn own_name(terminal: &mut Terminal) -> String {
    terminal.types("/me").await;
    let line = terminal.shows("on the wire").await;
    line.trim_start_matches("you are ").split(',').next().expect("a name").to_owned()
}

#[tokio::test]
async fn two_terminals_talk_over_different_transports() {
    let (site, home) = (site().await, home());
    let mut ann = Terminal::enter(&site, home.path(), "ann", &[]).await;
    let mut bob = Terminal::enter(&site, home.path(), "bob", &["--transport", "longpoll"]).await;
    assert!(bob.shown.iter().any(|line| line.starts_with("online by long-poll as bob~")), "{:?}", bob.shown);
    let (ann_name, bob_name) = (own_name(&mut ann).await, own_name(&mut bob).await);
    let came = format!("{bob_name} came to #lobby");
    if !ann.shown.contains(&came) {
        ann.shows(&came).await;
    }

    ann.types("good morning").await;
    assert!(ann.shows("good morning").await.ends_with("] #lobby you: good morning"));
    assert!(bob.shows("good morning").await.ends_with(&format!("] #lobby {ann_name}: good morning")));
    bob.types("//shrug").await;
    assert!(ann.shows("/shrug").await.ends_with(&format!("] #lobby {bob_name}: /shrug")));

    ann.types("/who").await;
    assert_eq!(ann.shows(" in #lobby: ").await, format!("2 in #lobby: you, {bob_name}"));
    bob.types("/hsitory").await;
    bob.shows("there is no /hsitory. Did you mean /history?").await;

    bob.types("/join dev").await;
    bob.shows("in #dev, which is empty").await;
    bob.types("anyone?").await;
    assert!(bob.shows("anyone?").await.ends_with("] #dev you: anyone?"));
    bob.types("/1").await;
    bob.types("back here").await;
    ann.shows("#lobby").await;
    bob.types("/channels").await;
    assert_eq!(bob.shows("/1 #").await, "* /1 #lobby");
    assert_eq!(bob.shows("/2 #").await, "  /2 #dev");

    ann.types(&format!("/watch {bob_name}")).await;
    ann.shows(&format!("{bob_name} is online")).await;
    assert!(bob.leave().await.0.success());
    ann.shows(&format!("{bob_name} is offline")).await;
    ann.types(&format!("/presence {bob_name}")).await;
    ann.shows(", last seen ").await;
    assert!(ann.leave().await.0.success());
}

#[tokio::test]
async fn what_is_typed_while_the_server_is_away_arrives_once_and_nothing_is_lost() {
    let (mut site, home) = (site().await, home());
    let mut ann = Terminal::enter(&site, home.path(), "ann", &[]).await;
    let mut bob = Terminal::enter(&site, home.path(), "bob", &["--transport", "longpoll"]).await;
    ann.types("before").await;
    ann.shows("you: before").await;
    bob.shows(": before").await;

    site.stop().await;
    ann.shows("offline, trying again").await;
    bob.shows("offline, trying again").await;
    for n in 1..=3 {
        ann.types(&format!("ann {n}")).await;
        bob.types(&format!("bob {n}")).await;
    }
    ann.shows("[waits] #lobby you: ann 3").await;
    bob.shows("[waits] #lobby you: bob 3").await;
    ann.types("/status").await;
    ann.shows("offline, trying again)").await;
    ann.shows("waiting  3 messages").await;

    site.start().await;
    ann.shows("online again by WebSocket").await;
    bob.shows("online again by long-poll").await;
    // Who comes back first has sent all of its own first.
    let mut all = Vec::new();
    for terminal in [&mut ann, &mut bob] {
        while said(&terminal.shown).len() < 7 {
            terminal.shows("#lobby ").await;
        }
        all.push(said(&terminal.shown).iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
    }
    assert_eq!(all[0], all[1], "both see the same, in the same order");
    for name in ["ann", "bob"] {
        let own: Vec<_> = all[0].iter().filter(|text| text.starts_with(name)).collect();
        assert_eq!(own, [&format!("{name} 1"), &format!("{name} 2"), &format!("{name} 3")]);
    }
    ann.types("after").await;
    bob.shows(": after").await;
    let kept = site.guest("reader").await.history("lobby", json!({"limit": 100})).await;
    assert_eq!(kept["messages"].as_array().expect("messages").len(), 8);
    let (ended, shown) = ann.leave().await;
    assert!(ended.success());
    assert_eq!(said(&shown).len(), 8);
    assert_eq!(said(&bob.leave().await.1).len(), 8);
}

#[tokio::test]
async fn the_next_run_is_the_same_guest_and_goes_on_where_the_last_one_stood() {
    let (site, home) = (site().await, home());
    let mut ann = Terminal::enter(&site, home.path(), "ann", &["--join", "lobby", "--join", "dev"]).await;
    let name = own_name(&mut ann).await;
    for n in 1..=5 {
        ann.types(&format!("number {n}")).await;
    }
    ann.shows("number 5").await;
    assert!(ann.leave().await.0.success());

    let state =
        home.path().join(".local/state/parlor").join(format!("http___{}-ann.json", site.address).replace(':', "_"));
    let mode = std::fs::metadata(&state).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut bob = site.guest("bob").await;
    bob.publish("lobby", "while you were away").await;
    let mut ann = Terminal::start(&site, home.path(), "ann", &[]);
    ann.shows("while you were away").await;
    assert!(ann.shown.iter().any(|line| line == "back in #lobby, 1 message since you left"), "{:?}", ann.shown);
    assert_eq!(own_name(&mut ann).await, name);
    ann.types("/history 2").await;
    ann.shows("there are older ones").await;
    ann.types("/history").await;
    ann.shows("that is all that is kept").await;
    // A second one at the same time would be in the way of the first.
    let (ended, _) = Terminal::start(&site, home.path(), "ann", &[]).leave().await;
    assert_eq!(ended.code(), Some(1));
    ann.types("/logout").await;
    let (ended, shown) = ann.leave().await;
    assert!(ended.success());
    let words = ["while you were away", "number 4", "number 5", "number 1", "number 2", "number 3"];
    assert_eq!(said(&shown), words);
    assert!(!state.exists(), "forgotten");

    let mut other = Terminal::enter(&site, home.path(), "ann", &[]).await;
    assert_ne!(own_name(&mut other).await, name);
    assert!(other.leave().await.0.success());
}

#[tokio::test]
async fn a_terminal_that_was_killed_has_lost_nothing() {
    let (site, home) = (site().await, home());
    let mut ann = Terminal::enter(&site, home.path(), "ann", &[]).await;
    let mut bob = site.guest("bob").await;
    bob.publish("lobby", "one").await;
    ann.shows("one").await;
    ann.child.kill().await.expect("it runs");
    bob.publish("lobby", "two").await;
    let mut ann = Terminal::start(&site, home.path(), "ann", &[]);
    ann.shows("bob").await;
    ann.shows("two").await;
    assert!(ann.leave().await.0.success());
}

#[tokio::test]
async fn what_strangers_send_is_shown_and_not_obeyed() {
    let (site, home) = (site().await, home());
    let mut ann = Terminal::enter(&site, home.path(), "ann", &[]).await;
    let mut bob = site.guest("bob").await;
    bob.publish("lobby", "x\u{1b}[2J\u{9b}31m\ry\n[10:00] #lobby ann: mine").await;
    let kind = json!({"type": "publish", "channel": "lobby", "kind": "x-dance", "body": {"text": "of another kind"}});
    bob.ask(kind).await;
    bob.ask(publish("lobby", "plain", json!({"ref": 1}))).await;
    assert!(ann.shows("x").await.ends_with(": x␛[2J\u{fffd}31m␍y"));
    assert!(ann.shows("mine").await.starts_with("        │ [10:00]"));
    ann.shows("plain").await;
    let (_, shown) = ann.leave().await;
    assert!(!shown.iter().any(|line| line.chars().any(char::is_control)), "{shown:?}");
    assert!(!shown.iter().any(|line| line.contains("of another kind")), "{shown:?}");
}

#[tokio::test]
async fn leaving_says_what_was_not_sent() {
    let (mut site, home) = (site().await, home());
    let mut ann = Terminal::enter(&site, home.path(), "ann", &[]).await;
    ann.types(&"too long ".repeat(5000)).await;
    ann.shows("not sent to #lobby: too long").await;
    site.stop().await;
    ann.shows("offline, trying again").await;
    ann.types("into the void").await;
    let (ended, shown) = ann.leave().await;
    assert_eq!(ended.code(), Some(1));
    assert_eq!(shown.last().map(String::as_str), Some("not known to be sent to #lobby: into the void"));
}

#[tokio::test]
async fn what_is_piped_in_is_sent_before_it_ends() {
    let (site, home) = (site().await, home());
    let mut ann = Terminal::start(&site, home.path(), "ann", &["--join", "#report"]);
    for n in 0..1500 {
        ann.types(&format!("line {n}")).await;
    }
    ann.types("/quit").await;
    ann.types("this is not read any more").await;
    let (ended, shown) = ann.leave().await;
    assert!(ended.success(), "{:?}", shown.last());
    let mut reader = site.guest("reader").await;
    let kept = reader.history("report", json!({"after": 0, "limit": 1000})).await;
    let rest = reader.history("report", json!({"after": 1000, "limit": 1000})).await;
    let texts = |page: &serde_json::Value| {
        let messages = page["messages"].as_array().expect("messages").clone();
        messages.iter().map(|message| message["body"]["text"].as_str().expect("words").to_owned()).collect::<Vec<_>>()
    };
    let expected: Vec<String> = (0..1500).map(|n| format!("line {n}")).collect();
    let all = [texts(&kept), texts(&rest)].concat();
    assert_eq!(all.len(), expected.len());
    assert_eq!(all.iter().zip(&expected).find(|(is, should)| is != should), None);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_away() {
    let (mut site, home) = (site().await, home());
    site.stop().await;
    let mut ann = Terminal::start(&site, home.path(), "ann", &[]);
    ann.shows("the server cannot be reached, trying again").await;
    ann.types("is anyone there?").await;
    ann.shows("[waits] #lobby you: is anyone there?").await;
    site.start().await;
    ann.shows("online by").await;
    ann.shows("] #lobby you: is anyone there?").await;
    assert!(ann.leave().await.0.success());
}
