//! A chat client for a terminal.
//!
//! ```sh
//! cargo run --example terminal                                         # http://127.0.0.1:8080, as a guest
//! cargo run --example terminal -- https://chat.example.org --name ann --join lobby --join dev
//! ```
//!
//! `/help` says what can be done. The next run is the same guest, and shows what was said meanwhile; `--forget` begins
//! anew. With pipes instead of a terminal it reads plain lines and writes plain lines.
//!
//! `desk/` holds all that decides: what is typed and heard goes in, lines and what is to be asked come out, and it knows no
//! terminal, no connection and no clock. This file and those beside it do as it says.

mod desk;
mod editor;
mod hands;
mod kept;
mod screen;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{Local, NaiveDateTime, TimeZone};
use clap::{Parser, ValueEnum};
use parlor::client::{Choice, Client, Event, Events, Options, State, Transport};
use parlor::clock;
use parlor::model::{Moment, Wall};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use desk::{Answer, Ask, Desk, Farewell, Line, Now};
use kept::{Kept, Memory, Place};
use screen::{Input, Screen};

/// The channel of someone who names none.
const LOBBY: &str = "lobby";
/// While so many texts have no receipt, no further ones are read.
const UNSENT: usize = 1000;
/// How long leaving waits for receipts.
const PARTING: Duration = Duration::from_secs(5);
/// The longest wait between two tries to come back: someone sits there and waits.
const AWAY: Duration = Duration::from_secs(8);
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// At most so often the others are told that someone types.
const TYPING: Duration = Duration::from_secs(3);

#[derive(Parser)]
#[command(name = "terminal", about = "A chat client for a terminal")]
struct Args {
    /// The server
    #[arg(default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The name to ask for: small letters, digits and ._-, 32 at most [default: that of the user here]
    #[arg(long)]
    name: Option<String>,
    /// Join this channel; may be said more than once [default: those of the last run, else lobby]
    #[arg(long, value_name = "CHANNEL")]
    join: Vec<String>,
    /// What to talk over
    #[arg(long, value_enum, default_value = "auto")]
    transport: Over,
    /// Keep the guest's token, and what was read, in this file [default: one for each server and name]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Begin anew, as a new guest
    #[arg(long)]
    forget: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Over {
    Auto,
    Websocket,
    Longpoll,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("terminal: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Talks until the user leaves; says whether all was sent.
async fn run(args: Args) -> Result<bool, Box<dyn Error>> {
    let name = args.name.unwrap_or_else(|| desk::wish(&std::env::var("USER").unwrap_or_default()));
    let path = args.state.or_else(|| kept::usual_path(&args.url, &name));
    let path = path.ok_or("there is no home to keep the token in: say --state FILE")?;
    let (kept, memory) =
        Kept::open(&path, args.forget).map_err(|why| format!("{} cannot be used: {why}", path.display()))?;
    let choice = match args.transport {
        Over::Auto => Choice::Auto,
        Over::Websocket => Choice::Only(Transport::WebSocket),
        Over::Longpoll => Choice::Only(Transport::LongPoll),
    };
    let had = |place: &Place| Some((place.name.clone(), place.cursor.clone()?));
    let cursors = memory.channels.iter().filter_map(had).collect();
    let options = Options::new(&args.url).guest(&name).transport(choice).cursors(cursors).client("parlor-terminal");
    let options = options.backoff(Duration::from_millis(250), AWAY);
    let options = match &memory.token {
        Some(token) => options.token(token),
        None => options,
    };
    let (client, events) = Client::start(options)?;

    let asked: Vec<String> = args.join.iter().map(|name| desk::meant_channel(name)).collect();
    let mut rooms: Vec<_> = memory.channels.into_iter().map(|place| (place.name, place.cursor)).collect();
    for channel in &asked {
        if !rooms.iter().any(|(name, _)| name == channel) {
            rooms.push((channel.clone(), None));
        }
    }
    if rooms.is_empty() {
        rooms.push((LOBBY.to_owned(), None));
    }
    let mut desk = Desk::new(&args.url, local, rooms);
    if let Some(current) = asked.first().or(memory.current.as_ref()) {
        desk.turn_to(current);
    }
    let (screen, inputs) = Screen::open();
    let mut talk = Talk { desk, screen, client, kept, url: args.url, under_way: JoinSet::new(), typed: None };
    let outcome = talk.until_left(events, inputs).await;
    talk.screen.finish().await;
    talk.save()?;
    if talk.client.state().is_online() {
        // So that the others see it at once. The token lives on.
        let _ = timeout(GOODBYE, talk.client.logout()).await;
    }
    match outcome {
        // Whoever read it has gone.
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        outcome => Ok(outcome?),
    }
}

/// All that a conversation stands on.
struct Talk {
    desk: Desk,
    screen: Screen,
    client: Client,
    kept: Kept,
    url: String,
    under_way: JoinSet<Answer>,
    /// When the others were told last that someone types.
    typed: Option<Moment>,
}

impl Talk {
    async fn until_left(&mut self, mut events: Events, mut inputs: mpsc::Receiver<Input>) -> io::Result<bool> {
        let here = Local.timestamp_millis_opt(clock::wall().0).single();
        let zone = here.map_or_else(String::new, |here| here.format("%:z").to_string());
        let hello = format!("{}; times are local (UTC{zone}); /help says what can be done", self.url);
        self.screen.print(&[Line::quiet(&hello)])?;
        for channel in self.desk.channels() {
            hands::begin(&self.client, Ask::Join(channel), &mut self.under_way).await;
        }
        self.screen.go_on(&self.desk.prompt());

        let mut end = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let common = std::sync::Arc::clone(&self.screen.common);
        let farewell = loop {
            tokio::select! {
                event = events.next(), if self.screen.has_room() => match event {
                    Some(event) => self.hear(&event)?,
                    None => {
                        let lost = self.desk.not_sent();
                        self.screen.print(&lost)?;
                        return Ok(false);
                    }
                },
                Some(answer) = self.under_way.join_next() => self.answered(answer)?,
                () = self.screen.hand_on() => {}
                input = inputs.recv(), if self.desk.waiting() < UNSENT => match input {
                    Some(Input::Line(line)) => {
                        if let Some(farewell) = self.typed(&line).await? {
                            break farewell;
                        }
                        self.screen.go_on(&self.desk.prompt());
                    }
                    Some(Input::Broken(why)) => return Err(io::Error::other(why)),
                    Some(Input::End) | None => break Farewell::Quit,
                },
                () = common.types.notified() => self.types().await,
                _ = tick.tick() => {
                    let lines = self.desk.tick(now());
                    self.screen.print(&lines)?;
                    self.save()?;
                }
                _ = end.recv() => break Farewell::Quit,
                _ = hang_up.recv() => break Farewell::Quit,
                _ = interrupt.recv() => break Farewell::Quit,
            }
        };
        // The editor goes on, so that what comes is still shown, and a key still heard.
        self.screen.go_on(&Line::default());
        let at_a_terminal = self.screen.is_terminal();
        tokio::select! {
            parted = timeout(PARTING, self.part(&mut events)) => parted.unwrap_or(Ok(()))?,
            () = wants_to_go(&mut inputs, at_a_terminal) => self.screen.go_on(&Line::default()),
            _ = interrupt.recv() => {}
            _ = end.recv() => {}
        }
        let lost = self.desk.not_sent();
        self.screen.print(&lost)?;
        if farewell == Farewell::Logout {
            self.kept.forget()?;
        }
        Ok(lost.is_empty())
    }

    /// Waits until all that was said and asked has its answer.
    async fn part(&mut self, events: &mut Events) -> io::Result<()> {
        if self.desk.waiting() > 0 && !self.client.state().is_online() {
            self.screen.print(&[Line::quiet("waiting for the server; Enter leaves at once")])?;
        }
        while self.desk.waiting() > 0 || self.client.state().is_online() && !self.under_way.is_empty() {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.hear(&event)?,
                    None => break,
                },
                Some(answer) = self.under_way.join_next() => self.answered(answer)?,
                () = self.screen.hand_on() => {}
            }
        }
        Ok(())
    }

    fn hear(&mut self, event: &Event) -> io::Result<()> {
        let welcomed = matches!(event, Event::State(State::Online(_)));
        if welcomed {
            self.desk.be(self.client.user());
        }
        let lines = self.desk.heard(event, now());
        self.screen.print(&lines)?;
        self.offer_words();
        if welcomed { self.save() } else { Ok(()) }
    }

    fn answered(&mut self, answer: Result<Answer, tokio::task::JoinError>) -> io::Result<()> {
        let lines = self.desk.answered(answer.map_err(io::Error::other)?, now());
        self.screen.print(&lines)?;
        self.offer_words();
        Ok(())
    }

    async fn typed(&mut self, line: &str) -> io::Result<Option<Farewell>> {
        let turn = self.desk.typed(line, now());
        self.screen.print(&turn.lines)?;
        for ask in turn.asks {
            hands::begin(&self.client, ask, &mut self.under_way).await;
        }
        self.offer_words();
        Ok(turn.farewell)
    }

    /// The user is typing.
    async fn types(&mut self) {
        let now = clock::moment();
        if self.typed.is_none_or(|typed| now.since(typed) >= TYPING)
            && let Some(ask) = self.desk.typing()
        {
            self.typed = Some(now);
            hands::begin(&self.client, ask, &mut self.under_way).await;
        }
    }

    fn offer_words(&mut self) {
        if let Some(words) = self.desk.new_words() {
            *self.screen.common.words.lock() = words;
        }
    }

    fn save(&mut self) -> io::Result<()> {
        let mut cursors = self.client.cursors();
        let place = |name: String| Place { cursor: cursors.remove(&name), name };
        let channels = self.desk.channels().into_iter().map(place).collect();
        self.kept.save(&Memory {
            server: self.url.clone(),
            user: self.client.user(),
            token: self.client.token(),
            current: self.desk.current(),
            channels,
        })
    }
}

/// Waits until the user, who is leaving, will not wait any longer. What is left in a pipe does not say so.
async fn wants_to_go(inputs: &mut mpsc::Receiver<Input>, at_a_terminal: bool) {
    if !at_a_terminal || inputs.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

fn now() -> Now {
    Now { at: clock::moment(), wall: clock::wall() }
}

/// What the clocks here say at that moment.
fn local(at: Wall) -> NaiveDateTime {
    Local.timestamp_millis_opt(at.0).single().map(|at| at.naive_local()).unwrap_or_default()
}
