//! A bot that answers over long-poll, each question once, even if it is killed at the worst moment.
//!
//! ```sh
//! cargo run --example bot -- lobby dev
//! cargo run --example bot -- --url https://chat.example.org --name robin --state robin.json lobby
//! ```
//!
//! Two things make it answer once. How far it has answered is written down after the receipt for the answer, so that
//! nothing is passed over; and the answer's key is made from the place of the question, so that an answer that is given
//! again, because the bot was killed between the receipt and the writing, makes no second message.

mod answer;
mod kept;

use std::collections::VecDeque;
use std::error::Error;
use std::future::pending;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use parlor::client::{Choice, Client, Cursor, Draft, Event, Message, Options, Publishing, Start, State, Transport};
use parlor::clock;
use parlor::model::Wall;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use kept::{Kept, Reminder};

/// The time between two answers, so that nobody can make the bot flood a channel.
const PACE: Duration = Duration::from_millis(100);
/// So many answers may wait for their turn; what is asked beyond that is not answered.
const WAITING: usize = 1000;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// So many reminders may be under way.
const REMINDERS: usize = 1000;

#[derive(Parser)]
#[command(name = "bot", about = "A bot that answers")]
struct Args {
    /// The channels to be in
    #[arg(required = true, value_name = "CHANNEL")]
    channels: Vec<String>,
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The name to ask for
    #[arg(long, default_value = "bot")]
    name: String,
    /// Keep the token, and how far it has answered, in this file
    #[arg(long, value_name = "FILE", default_value = "bot.json")]
    state: PathBuf,
}

/// What is to be done, in the order in which it was asked for.
struct Job {
    channel: String,
    /// The message that it is about: the answer names it, and is no older.
    about: Cursor,
    say: Option<Say>,
    /// Once it is done, everything up to there has its answer.
    answers: bool,
}

struct Say {
    text: String,
    key: String,
    /// What was promised with it.
    promise: Option<Reminder>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bot: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let kept = Kept::open(&args.state).map_err(|why| format!("{}: {why}", args.state.display()))?;
    let options = Options::new(&args.url).guest(&args.name).client("parlor-bot").cursors(kept.memory.answered.clone());
    let options = options.transport(Choice::Only(Transport::LongPoll));
    let options = match &kept.memory.token {
        Some(token) => options.token(token),
        None => options,
    };
    let (client, mut events) = Client::start(options)?;
    for channel in args.channels {
        // Where it has not been before, it answers only what is asked from now on.
        let known = kept.memory.answered.contains_key(&channel);
        let (client, start) = (client.clone(), if known { Start::Stood } else { Start::Tail(0) });
        tokio::spawn(async move {
            if let Err(why) = client.join(&channel, start).await {
                eprintln!("bot: {channel} was not joined: {why}");
            }
        });
    }

    let mut bot = Bot { client, kept, jobs: VecDeque::new(), under_way: None };
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut end, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    loop {
        let due = bot.next_reminder();
        tokio::select! {
            // Always, however much there is to do: what is not taken keeps the receipts from coming.
            event = events.next() => match event {
                Some(event) => bot.hear(event)?,
                None => return Err("the client has ended".into()),
            },
            outcome = bot.settled() => bot.done(outcome)?,
            _ = pace.tick(), if bot.under_way.is_none() && !bot.jobs.is_empty() => bot.next_job().await?,
            () = wait(due) => bot.remind(),
            _ = end.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    if bot.client.state().is_online() {
        let _ = timeout(GOODBYE, bot.client.logout()).await;
    }
    Ok(())
}

struct Bot {
    client: Client,
    kept: Kept,
    jobs: VecDeque<Job>,
    /// The answer that has no receipt yet.
    under_way: Option<(Publishing, Job)>,
}

impl Bot {
    fn hear(&mut self, event: Event) -> Result<(), Box<dyn Error>> {
        match event {
            Event::State(State::Online(_)) => {
                self.kept.memory.token = self.client.token();
                // Before anything is said: whoever says it has to be known again.
                self.kept.save()?;
                println!("online as {}", self.client.user().unwrap_or_default());
            }
            Event::State(State::Refused(fault)) => return Err(format!("the server does not want it: {fault}").into()),
            Event::Joined(joined) if !self.kept.memory.answered.contains_key(&joined.channel) => {
                println!("in {}", joined.channel);
                self.kept.memory.answered.insert(joined.channel, joined.cursor);
                self.kept.save()?;
            }
            Event::Joined(joined) => println!("in {}", joined.channel),
            Event::Message(message) => self.message(&message),
            Event::Reset { channel, epoch, next } => {
                self.pass(channel, Cursor { epoch, seq: next.saturating_sub(1) });
            }
            Event::Closed { channel, reason, .. } => eprintln!("bot: no longer in {channel}: {reason}"),
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, message: &Message) {
        let me = self.client.user().unwrap_or_default();
        let about = message.cursor();
        let Some(answer) = answer::answer(message, &me, clock::wall(), clock::jitter) else {
            return self.pass(message.channel.clone(), about);
        };
        if self.jobs.iter().filter(|job| job.say.is_some()).count() >= WAITING {
            eprintln!("bot: too much at once, {} in {} is not answered", message.seq, message.channel);
            return self.pass(message.channel.clone(), about);
        }
        let key = key("answer", &message.channel, &about);
        // By the time of the question, which is the same whenever it is answered.
        let promise = answer.later.map(|(after, text)| Reminder {
            channel: message.channel.clone(),
            asked: about.clone(),
            due: message.at.0 + after.as_millis() as i64,
            text,
        });
        let say = if promise.is_some() && self.kept.memory.reminders.len() >= REMINDERS {
            Say { text: "there is too much to remember already".to_owned(), key, promise: None }
        } else {
            Say { text: answer.text, key, promise }
        };
        self.jobs.push_back(Job { channel: message.channel.clone(), about, say: Some(say), answers: true });
    }

    /// A message needs no answer; it is passed when those before it have theirs.
    fn pass(&mut self, channel: String, about: Cursor) {
        match self.jobs.back_mut().filter(|job| job.say.is_none() && job.channel == channel) {
            Some(job) => job.about = about,
            None => self.jobs.push_back(Job { channel, about, say: None, answers: true }),
        }
    }

    /// Begins the next answer, and passes what needs none on the way.
    async fn next_job(&mut self) -> Result<(), Box<dyn Error>> {
        let mut passed = false;
        while let Some(job) = self.jobs.pop_front() {
            let Some(say) = &job.say else {
                self.kept.memory.answered.insert(job.channel, job.about);
                passed = true;
                continue;
            };
            let draft = Draft::new(json!({"text": say.text, "bot": true}));
            let draft = draft.answers(job.about.seq).key(&say.key, Some(job.about.clone()));
            let publishing = self.client.publish_with(&job.channel, draft).await?;
            self.under_way = Some((publishing, job));
            break;
        }
        if passed { Ok(self.kept.save()?) } else { Ok(()) }
    }

    /// The receipt of the answer that is under way.
    async fn settled(&mut self) -> Result<(), parlor::client::Error> {
        match &mut self.under_way {
            Some((publishing, _)) => publishing.await.map(drop),
            None => pending().await,
        }
    }

    fn done(&mut self, outcome: Result<(), parlor::client::Error>) -> Result<(), Box<dyn Error>> {
        let Some((_, job)) = self.under_way.take() else { return Ok(()) };
        if let Err(why) = outcome {
            if self.client.state().is_over() {
                return Err(why.into());
            }
            // It was refused, and would be again.
            eprintln!("bot: no answer to {} in {}: {why}", job.about.seq, job.channel);
        }
        let memory = &mut self.kept.memory;
        if job.answers {
            memory.reminders.extend(job.say.and_then(|say| say.promise));
            memory.answered.insert(job.channel, job.about);
        } else {
            memory.reminders.retain(|reminder| (&reminder.channel, &reminder.asked) != (&job.channel, &job.about));
        }
        Ok(self.kept.save()?)
    }

    /// How long until something that was promised has to be said, unless it is about to be.
    fn next_reminder(&self) -> Option<Duration> {
        let due = self.kept.memory.reminders.iter().filter(|reminder| !self.reminds(reminder)).map(|r| r.due).min()?;
        Some(Duration::from_millis(u64::try_from(due - clock::wall().0).unwrap_or(0)))
    }

    fn reminds(&self, reminder: &Reminder) -> bool {
        let under_way = self.under_way.iter().map(|(_, job)| job);
        let is = |job: &Job| !job.answers && job.channel == reminder.channel && job.about == reminder.asked;
        self.jobs.iter().chain(under_way).any(is)
    }

    /// Says what is due.
    fn remind(&mut self) {
        let Wall(now) = clock::wall();
        let due = |reminder: &&Reminder| reminder.due <= now && !self.reminds(reminder);
        let jobs: Vec<Job> = self.kept.memory.reminders.iter().filter(due).map(reminding).collect();
        self.jobs.extend(jobs);
    }
}

fn reminding(reminder: &Reminder) -> Job {
    let Reminder { channel, asked, text, .. } = reminder.clone();
    let key = key("reminder", &channel, &asked);
    Job { channel, about: asked, say: Some(Say { text, key, promise: None }), answers: false }
}

/// The key of what is said about a message: always the same for the same one.
fn key(what: &str, channel: &str, about: &Cursor) -> String {
    let place = json!([what, channel, about]);
    hex::encode(Sha256::digest(place.to_string()))
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}
