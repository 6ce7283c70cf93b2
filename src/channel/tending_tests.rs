//! Who is given roles, asked in and put out, where something else is under way.

use std::collections::BTreeMap;

use super::super::messages::{Action, Draft};
use super::super::state::tests::{SETTINGS, TIME};
use super::super::step::{Found, Input, Loaded};
use super::*;
use crate::model::{HubId, Key, Standing, Wall};
use crate::protocol::{Publish, Start};
use crate::store::{AppendError, Head, Mark, MetaOp, Place, WriteError};

#[path = "ending_tests.rs"]
mod ending;
#[path = "tending_model_tests.rs"]
mod model;

const OWNER: Mark = Mark { role: Role::Owner, banned: false, invited: false };

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn head(seq: Seq) -> Head {
    Head { epoch: Epoch("e".into()), seq, first: 1, at: Wall(0), hash: [0; 16], token: 0 }
}

/// A channel, a store that does what it is told when it is let, and what every session heard.
struct World {
    state: State,
    todo: Vec<Effect>,
    heard: BTreeMap<u64, Vec<String>>,
    seq: Seq,
    ticket: u64,
    /// Whether it is on disk that the channel is being deleted.
    ending: bool,
}

/// How something that is under way ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Well,
    /// Nothing was written.
    Refused,
    /// Nobody knows whether it was written, and it was or was not.
    Unknown(bool),
}

/// Each user has one session, on a hub of its own.
fn count(name: &str) -> u64 {
    u64::from(name.bytes().next().unwrap())
}

impl World {
    /// A channel of ann's, awake.
    fn new(private: bool) -> Self {
        let mut state = State::new(ChannelName::stored("a").unwrap(), 1, SETTINGS);
        let origin = Self::origin("ann", 0);
        state.command(TIME, origin, Action::Look);
        let mut loaded = Loaded::empty(head(0), SETTINGS);
        loaded.place = Place { private, ..Place::default() };
        loaded.marks = vec![(user("ann"), OWNER)];
        loaded.members = vec![(user("ann"), 0)];
        let effects = state.input(TIME, Input::Loaded(Ok(Found::There(Box::new(loaded)))));
        let mut world = Self { state, todo: Vec::new(), heard: BTreeMap::new(), seq: 0, ticket: 0, ending: false };
        world.take(effects);
        world.heard.clear();
        world
    }

    fn origin(name: &str, ticket: u64) -> Origin {
        let (hub, conn) = (HubId(count(name) as u32), Conn { boot: 1, count: count(name) });
        let standing = match name {
            "oz" => Standing::Operator,
            guest if guest.starts_with('~') => Standing::Guest,
            _ => Standing::Account,
        };
        Origin { hub, conn, ticket, user: user(name), standing }
    }

    fn command(&mut self, name: &str, action: Action) {
        self.ticket += 1;
        let effects = self.state.command(TIME, Self::origin(name, self.ticket), action);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(hub, batch) => {
                    for item in batch.items {
                        self.hear(hub, item);
                    }
                    if batch.ack.done() {
                        let effects = self.state.acked(TIME);
                        self.take(effects);
                    }
                }
                Effect::Later(..) | Effect::Aside(_) | Effect::Report => {}
                other => self.todo.push(other),
            }
        }
    }

    fn hear(&mut self, hub: HubId, item: Item) {
        let words = match item {
            Item::Messages(messages) => messages.iter().map(|one| format!("{} says", one.from)).collect(),
            Item::Joined(..) => vec!["joined".into()],
            Item::Left(_) => vec!["left".into()],
            Item::Published { .. } => vec!["published".into()],
            Item::Refused(_, problem) => vec![format!("{:?}", problem.code)],
            Item::Answer(_, Answer::Ok) => vec!["ok".into()],
            Item::Answer(..) => vec!["answer".into()],
            Item::Closed(_, why) => vec![format!("closed {why:?}")],
            Item::Event { frame, .. } if frame.contains(r#""type":"member""#) => {
                let event: serde_json::Value = serde_json::from_str(&frame).unwrap();
                vec![format!("{} {}", event["user"].as_str().unwrap(), event["change"].as_str().unwrap())]
            }
            _ => vec![],
        };
        self.heard.entry(hub.0.into()).or_default().extend::<Vec<String>>(words);
    }

    /// The oldest thing under way comes to its end.
    fn settle(&mut self, end: End) -> bool {
        if self.todo.is_empty() {
            return false;
        }
        let input = match self.todo.remove(0) {
            Effect::Note(job, ops) => {
                if matches!(end, End::Well | End::Unknown(true)) {
                    let ends = |op: &MetaOp| matches!(op, MetaOp::Release(_, value) if Place::read(value).ending);
                    self.ending |= ops.iter().any(ends);
                }
                let outcome = match end {
                    End::Well => Ok(()),
                    End::Refused => Err(WriteError::Unavailable("no luck".into())),
                    End::Unknown(_) => Err(WriteError::Unknown),
                };
                Input::Noted(job, outcome)
            }
            Effect::Append(_, batch) => {
                self.seq += batch.len() as Seq;
                Input::Appended(Ok(head(self.seq)))
            }
            Effect::Find { job, .. } => Input::Found(job, Ok(Some((1, Wall(0))))),
            Effect::Known(job, user) => Input::Known(job, Ok(user.as_str() != "nobody")),
            Effect::Clear | Effect::Load(_) if self.ending => {
                self.ending = false;
                Input::Loaded(Ok(Found::Deleted))
            }
            Effect::Make(_) => {
                self.seq = 0;
                Input::Made(Ok(Head { epoch: Epoch("f".into()), ..head(0) }))
            }
            Effect::Load(_) => {
                let mut loaded = Loaded::empty(head(self.seq), SETTINGS);
                loaded.place = self.state.rights.place().clone();
                Input::Loaded(Ok(Found::There(Box::new(loaded))))
            }
            other => panic!("{other:?} was not expected"),
        };
        let effects = self.state.input(TIME, input);
        self.take(effects);
        true
    }

    fn settle_all(&mut self) {
        while self.settle(End::Well) {}
    }

    /// What a user's session heard since it was last asked.
    fn heard(&mut self, name: &str) -> Vec<String> {
        self.heard.remove(&count(name)).unwrap_or_default()
    }

    /// Gives a command, lets it come to its end, and gives what its session heard first.
    fn ask(&mut self, name: &str, action: Action) -> String {
        self.heard.clear();
        self.command(name, action);
        self.settle_all();
        let heard = self.heard(name);
        let answers = |word: &&String| !word.contains(' ');
        heard.iter().find(answers).cloned().unwrap_or_else(|| panic!("{name} heard nothing: {heard:?}"))
    }
}

fn join() -> Action {
    Action::Join { start: Start::Stood, member: true }
}

fn publish() -> Action {
    keyed(None)
}

/// A publish; with a key it may have been sent before anything was said.
fn keyed(key: Option<&str>) -> Action {
    let channel = ChannelName::stored("a").unwrap();
    let (key, base) = (key.and_then(Key::new), key.map(|_| 0));
    let publish = Publish { channel, body: "{}".into(), key, base, kind: None, reply_to: None };
    Action::Publish(Box::new(Draft { publish, permit: None }))
}

fn kick(name: &str) -> Action {
    Action::Tend(Tending::Kick { user: user(name), reason: None })
}

fn give(name: &str, role: Role) -> Action {
    Action::Tend(Tending::Role { user: user(name), role })
}

fn delete() -> Action {
    Action::Tend(Tending::Delete)
}

fn ban(name: &str) -> Action {
    Action::Tend(Tending::Ban { user: user(name), reason: None })
}

#[test]
fn what_is_being_written_comes_before_a_ban_and_what_waits_is_refused() {
    let mut world = World::new(false);
    assert_eq!(world.ask("bob", join()), "joined");
    world.ask("ann", join());
    world.heard.clear();
    world.command("bob", publish());
    world.command("bob", publish());
    world.command("ann", ban("bob"));
    world.command("bob", publish());
    world.settle_all();
    let bob = world.heard("bob");
    assert_eq!(bob, ["bob says", "published", "Forbidden", "Forbidden", "closed Banned"]);
    assert_eq!(world.heard("ann"), ["bob says", "bob banned", "ok"]);
    assert_eq!(world.ask("bob", join()), "Forbidden");
}

#[test]
fn what_one_says_who_is_being_kicked_is_refused_until_that_is_heard() {
    let mut world = World::new(false);
    world.ask("bob", join());
    world.heard.clear();
    world.command("bob", publish());
    world.command("bob", publish());
    world.command("ann", kick("bob"));
    world.command("bob", publish());
    world.settle_all();
    assert_eq!(world.heard("bob"), ["bob says", "published", "Forbidden", "Forbidden", "closed Kicked"]);
    assert_eq!(world.ask("bob", publish()), "published", "anyone may, in a channel that is everyone's");
}

#[test]
fn a_join_or_a_leave_under_way_does_not_outlast_a_kick() {
    for (action, end) in [(join(), End::Well), (Action::Leave { only_session: false }, End::Refused)] {
        let mut world = World::new(false);
        let visit = Action::Join { start: Start::Stood, member: matches!(action, Action::Leave { .. }) };
        world.ask("bob", visit);
        world.heard.clear();
        world.command("bob", action);
        world.command("ann", kick("bob"));
        world.settle(end);
        world.settle_all();
        assert_eq!(world.heard("bob").last().map(String::as_str), Some("closed Kicked"));
        assert!(!world.state.roster.is_member(&user("bob")) && !world.state.roster.is_here(&user("bob")));
    }
}

#[test]
fn a_key_that_is_found_after_its_user_was_put_out_is_not_answered_with_its_place() {
    let mut world = World::new(false);
    world.ask("bob", join());
    (0..4).for_each(|_| drop(world.ask("ann", publish())));
    world.heard.clear();
    world.command("bob", keyed(Some("k")));
    let search = world.todo.remove(0);
    assert!(matches!(search, Effect::Find { .. }), "{search:?}");
    world.command("ann", ban("bob"));
    world.settle_all();
    world.todo.push(search);
    world.settle_all();
    assert_eq!(world.heard("bob"), ["closed Banned", "Forbidden"]);
}

#[test]
fn one_who_left_a_private_channel_watches_it_no_more() {
    for (private, watches) in [(true, 0), (false, 1)] {
        let mut world = World::new(private);
        world.ask("ann", Action::Watch);
        world.ask("ann", Action::Leave { only_session: false });
        assert_eq!(world.state.roster.watchers().count(), watches);
    }
}

#[test]
fn a_change_that_could_not_be_written_did_not_happen() {
    let mut world = World::new(false);
    world.ask("bob", join());
    world.heard.clear();
    world.command("ann", ban("bob"));
    world.settle(End::Refused);
    assert_eq!(world.heard("ann"), ["Unavailable"]);
    assert_eq!(world.heard("bob"), [""; 0]);
    assert!(world.state.roster.is_member(&user("bob")) && world.state.roster.is_here(&user("bob")));
    assert_eq!(world.ask("bob", publish()), "published");
    assert_eq!(world.ask("ann", ban("bob")), "ok");
}

#[test]
fn a_join_under_way_does_not_outlast_a_ban() {
    let mut world = World::new(false);
    world.ask("ann", Action::Tend(Tending::Invite { user: user("bob") }));
    world.heard.clear();
    world.command("bob", join());
    world.command("ann", ban("bob"));
    world.settle_all();
    assert!(world.heard("bob").contains(&"Forbidden".to_owned()));
    assert!(!world.state.roster.is_member(&user("bob")) && !world.state.roster.is_here(&user("bob")));
}

#[test]
fn a_membership_that_two_end_is_put_back_only_if_neither_could() {
    let leave = |world: &mut World| world.command("bob", Action::Leave { only_session: false });
    let kick = |world: &mut World| world.command("oz", Action::Tend(Tending::Kick { user: user("bob"), reason: None }));
    for kick_first in [false, true] {
        for (ends, ended) in [
            ([End::Well, End::Refused], true),
            ([End::Refused, End::Well], true),
            ([End::Refused, End::Refused], false),
        ] {
            let mut world = World::new(false);
            world.ask("bob", join());
            if kick_first {
                kick(&mut world);
            }
            leave(&mut world);
            if !kick_first {
                kick(&mut world);
            }
            for end in ends {
                world.settle(end);
            }
            assert_eq!(!world.state.roster.is_member(&user("bob")), ended, "kick first: {kick_first}, {ends:?}");
        }
    }
}

#[test]
fn changes_are_made_one_after_the_other_in_the_order_in_which_they_came() {
    let mut world = World::new(false);
    for name in ["bob", "carol"] {
        world.ask(name, join());
    }
    world.ask("ann", give("carol", Role::Moderator));
    world.heard.clear();
    world.command("carol", ban("bob"));
    world.command("ann", give("carol", Role::Member));
    world.command("carol", Action::Tend(Tending::Unban { user: user("bob") }));
    world.settle_all();
    let carol = world.heard("carol");
    assert_eq!(carol, ["bob banned", "ok", "Forbidden", "carol role"], "no right is left when its turn comes");
}
