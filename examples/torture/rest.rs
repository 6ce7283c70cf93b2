//! After the faults: waits until everything has come to rest, and reads back what there is.

use std::collections::BTreeMap;
use std::time::Duration;

use parlor::checker::{By, SessionNo, What};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::link::{Heard, Job, Link};
use crate::scene::{Phase, Scene};
use crate::support::http::{Http, Request};
use crate::websocket;

/// How long it may take until everybody is there, has all receipts and has heard everything.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one question of the reader may take.
const ANSWER: Duration = Duration::from_secs(12);

/// Where every channel stands: its epoch and its head.
async fn heads(scene: &Scene) -> Result<BTreeMap<String, (String, u64)>, String> {
    let mut heads = BTreeMap::new();
    for channel in &scene.plan.channels {
        let to = *scene.target.lock();
        let request = Request::get(format!("/v1/channels/{channel}"));
        let ask = async { Http::open(to, false).await?.exchange(&request).await };
        let answer = timeout(ANSWER, ask).await.map_err(|_| "no answer in time".to_owned())??;
        let row = answer.json();
        if let (200, Some(epoch), Some(head)) = (answer.status, row["epoch"].as_str(), row["head"].as_u64()) {
            heads.insert(channel.clone(), (epoch.to_owned(), head));
        } else if answer.status != 404 {
            return Err(format!("{channel} is asked for, and answered {} {}", answer.status, answer.body));
        }
    }
    Ok(heads)
}

/// What somebody still lacks; nothing, if all is at rest. `away` says who need not be there.
async fn lacking(scene: &Scene, away: fn(usize) -> bool) -> Option<String> {
    let views = || scene.views.iter().map(|view| view.lock().clone()).enumerate().filter(|(n, _)| !away(*n));
    for (n, view) in views() {
        let Some(session) = view.session else { return Some(format!("client {n} has no session")) };
        if view.unsettled > 0 {
            let count = view.unsettled;
            return Some(format!("client {n} (session {session}) waits for {count} receipts or answers"));
        }
    }
    let heads = match heads(scene).await {
        Ok(heads) => heads,
        Err(why) => return Some(why),
    };
    for (n, view) in views() {
        for (channel, epoch, seq) in &view.heard {
            let there = heads.get(channel);
            if there.is_none_or(|(life, head)| life != epoch || head > seq) {
                let session = view.session.unwrap_or_default();
                return Some(format!(
                    "client {n} (session {session}) has heard {channel} up to {seq} of {epoch}, and it stands at {there:?}"
                ));
            }
        }
    }
    None
}

/// Waits until everything is at rest, and as long as presence may take to be true; then writes that down. Says whether it
/// came to that.
pub async fn come_to_rest(scene: &Scene, away: fn(usize) -> bool) -> bool {
    let begun = Instant::now();
    let figures = &scene.plan.figures;
    let truth = Duration::from_millis(figures.timeout_ms + 2 * figures.heartbeat_ms + figures.sweep_ms + 600);
    sleep(truth).await;
    let phase = *scene.phase.borrow();
    loop {
        let lack = match lacking(scene, away).await {
            None => {
                scene.phase.send_replace(Phase::Still);
                let unanswered = unanswered(scene, away).await;
                // Somebody may have gone and come back meanwhile.
                let lack = if unanswered.is_some() { unanswered } else { lacking(scene, away).await };
                if lack.is_none() {
                    scene.recorder.add(What::Rest);
                    scene.phase.send_replace(phase);
                    return true;
                }
                scene.phase.send_replace(phase);
                lack
            }
            lack => lack,
        };
        if let Some(lack) = lack.filter(|_| begun.elapsed() > truth + PATIENCE) {
            scene.recorder.breach("rest", format!("not at rest after {:?}: {lack}", begun.elapsed()));
            return false;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// What somebody who says nothing more still waits for.
async fn unanswered(scene: &Scene, away: fn(usize) -> bool) -> Option<String> {
    for _ in 0..5 {
        // Long enough for everybody to have looked at what there is to be done.
        sleep(Duration::from_millis(100)).await;
        let views = scene.views.iter().map(|view| view.lock().asked).enumerate();
        if views.filter(|(n, _)| !away(*n)).all(|(_, asked)| asked == 0) {
            return None;
        }
    }
    let views = scene.views.iter().map(|view| view.lock().clone()).enumerate();
    let (n, view) = views.into_iter().find(|(n, view)| !away(*n) && view.asked > 0)?;
    Some(format!("client {n} (session {:?}) waits for {} replies", view.session, view.asked))
}

/// One who took no part, and reads everything.
pub struct Reader<'a> {
    scene: &'a Scene,
    link: Link,
    no: SessionNo,
    ids: u64,
}

impl<'a> Reader<'a> {
    /// Comes, not through any gate.
    pub async fn come(scene: &'a Scene) -> Result<Self, String> {
        let to = *scene.target.lock();
        let link = websocket::open(to, false).await?;
        let no = scene.recorder.open(None, "websocket");
        let mut reader = Self { scene, link, no, ids: 0 };
        reader.ask(json!({"type": "hello", "version": 1, "guest": "reader"})).await?;
        Ok(reader)
    }

    /// Asks, and waits for the answer.
    async fn ask(&mut self, mut frame: Value) -> Result<Value, String> {
        self.ids += 1;
        let id = format!("{}-{}", self.no, self.ids);
        frame["id"] = id.clone().into();
        self.scene.recorder.sent(self.no, &frame);
        self.link.order(Job::Say(frame.clone()));
        let answer = async {
            loop {
                match self.link.next().await {
                    Heard::Frame(frame) => {
                        self.scene.recorder.got(self.no, frame.clone());
                        if frame["id"] == *id {
                            return Ok(frame);
                        }
                    }
                    Heard::Over { code, .. } => return Err(format!("the reader's session has ended with {code:?}")),
                    other => return Err(format!("the reader gets {other:?}")),
                }
            }
        };
        let answer = timeout(ANSWER, answer).await.map_err(|_| format!("no answer in time to {frame}"))?;
        answer.and_then(|answer| if answer["type"] == "error" { Err(format!("{frame}: {answer}")) } else { Ok(answer) })
    }

    /// Makes a channel, and leaves it to itself.
    pub async fn make(&mut self, channel: &str) -> Result<(), String> {
        self.ask(json!({"type": "join", "channel": channel})).await?;
        self.ask(json!({"type": "leave", "channel": channel})).await.map(drop)
    }

    /// Goes.
    pub fn go(self) {
        self.scene.recorder.over(None, self.no, None, By::Client);
    }

    /// Writes down what a channel's log holds.
    pub async fn log(&mut self, channel: &str) -> Result<Vec<Value>, String> {
        let mut messages = Vec::new();
        loop {
            let after = messages.last().map_or(0, |last: &Value| last["seq"].as_u64().unwrap_or_default());
            let page = self.ask(json!({"type": "history", "channel": channel, "after": after, "limit": 1000})).await;
            let mut page = match page {
                // Nobody has ever joined it.
                Err(why) if why.contains("not_found") && messages.is_empty() => return Ok(messages),
                page => page?,
            };
            if let Value::Array(more) = page["messages"].take() {
                messages.extend(more);
            }
            if page["more"] != true {
                let (first, head) = (page["first"].as_u64().unwrap_or(1), page["head"].as_u64().unwrap_or_default());
                let epoch = page["epoch"].as_str().unwrap_or_default().to_owned();
                let (channel, messages) = (channel.to_owned(), messages.clone());
                self.scene.recorder.add(What::Log { channel, epoch: epoch.clone(), first, head, messages });
                break;
            }
        }
        self.receipts(channel, &messages);
        Ok(messages)
    }

    /// Holds receipts that came by plain HTTP against the log.
    fn receipts(&self, channel: &str, messages: &[Value]) {
        let receipts = self.scene.receipts.lock().clone();
        let of_it = receipts.iter().filter(|(name, ..)| name == channel && self.scene.plan.figures.durable);
        for (_, _, key, seq) in of_it {
            let places = messages.iter().filter(|message| message["key"] == **key);
            let places: Vec<_> = places.filter_map(|message| message["seq"].as_u64()).collect();
            if places != [*seq] {
                let text = format!("{channel}: {key} was acknowledged over HTTP at {seq}, and is at {places:?}");
                self.scene.recorder.breach("http", text);
            }
        }
    }

    /// Looks who is there.
    pub async fn presence(&mut self) -> Result<(), String> {
        let names = self.scene.names();
        let answer = self.ask(json!({"type": "presence", "users": names})).await?;
        for row in answer["users"].as_array().into_iter().flatten() {
            let name = row["user"].as_str().unwrap_or_default();
            let is = |user: usize| self.scene.users[user].lock().name.as_deref() == Some(name);
            let views = self.scene.views.iter().zip(&self.scene.plan.roles).filter(|(_, role)| is(role.user));
            let live = views.filter(|(view, _)| view.lock().session.is_some()).count() as u64;
            let state = if live > 0 { "online" } else { "offline" };
            if row["state"] != state || row["sessions"] != live {
                let text = format!("{name} has {live} sessions at rest, and the server says {row}");
                self.scene.recorder.breach("presence", text);
            }
        }
        Ok(())
    }
}
