//! Roles, bans, invitations and members under any commands, against a naive model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What a member's role may do, said again in other words.
#[derive(Debug, Default)]
struct Model {
    private: bool,
    members: BTreeSet<String>,
    hearing: BTreeSet<String>,
    roles: BTreeMap<String, Role>,
    banned: BTreeSet<String>,
    invited: BTreeSet<String>,
}

impl Model {
    fn new(private: bool) -> Self {
        let ann = || "ann".to_owned();
        Self { private, members: [ann()].into(), roles: [(ann(), Role::Owner)].into(), ..Self::default() }
    }

    fn role(&self, who: &str) -> Role {
        self.roles.get(who).copied().unwrap_or_default()
    }

    fn level(&self, who: &str) -> u8 {
        match self.role(who) {
            Role::Owner => 2,
            Role::Moderator => 1,
            Role::Member | Role::Muted => 0,
        }
    }

    fn might(&self, who: &str) -> u8 {
        if who == "oz" { 3 } else { self.level(who) }
    }

    fn sees(&self, who: &str) -> bool {
        let asked = self.members.contains(who) || self.invited.contains(who) || self.level(who) > 0;
        who == "oz" || !self.private || (!self.banned.contains(who) && asked)
    }

    fn out(&mut self, who: &str) {
        self.members.remove(who);
        self.hearing.remove(who);
        self.invited.remove(who);
        if self.level(who) > 0 {
            self.roles.remove(who);
        }
    }

    /// Carries a command out, and says what is answered.
    fn command(&mut self, who: &str, op: &Op) -> &'static str {
        let (shut, free) = (self.banned.contains(who) && who != "oz", who == "oz");
        if let Op::Leave = op {
            let had = self.members.remove(who) | self.hearing.remove(who);
            return if had { "left" } else { "NotJoined" };
        }
        if !self.sees(who) {
            return "NotFound";
        }
        if shut {
            return "Forbidden";
        }
        match op {
            Op::Join => {
                self.members.insert(who.into());
                self.hearing.insert(who.into());
                "joined"
            }
            Op::Publish if free => "published",
            Op::Publish if self.private && !self.members.contains(who) => "Forbidden",
            Op::Publish if self.role(who) == Role::Muted => "Forbidden",
            Op::Publish => "published",
            _ if self.might(who) == 0 => "Forbidden",
            Op::Invite(whom) if whom.starts_with('~') => "Forbidden",
            Op::Invite(whom) if self.banned.contains(*whom) => "Conflict",
            Op::Invite(whom) if self.members.contains(*whom) => "ok",
            Op::Invite("nobody") => "NotFound",
            Op::Invite(whom) => {
                self.invited.insert((*whom).into());
                "ok"
            }
            Op::Kick(whom) | Op::Ban(whom) if *whom == who || self.might(who) <= self.level(whom) => "Forbidden",
            Op::Kick(whom) if !self.members.contains(*whom) && !self.hearing.contains(*whom) => "NotFound",
            Op::Kick(whom) => {
                self.out(whom);
                "ok"
            }
            Op::Ban("nobody") => "NotFound",
            Op::Ban(whom) => {
                self.out(whom);
                self.banned.insert((*whom).into());
                "ok"
            }
            Op::Unban(whom) if self.might(who) <= self.level(whom) => "Forbidden",
            Op::Unban(whom) => {
                self.banned.remove(*whom);
                "ok"
            }
            Op::Role(whom, role) => self.give(who, whom, *role),
            Op::Leave => unreachable!(),
        }
    }

    fn give(&mut self, who: &str, whom: &str, role: Role) -> &'static str {
        let high = matches!(role, Role::Owner | Role::Moderator);
        let own = who == whom;
        if (!own && self.might(who) <= self.level(whom)) || (self.might(who) < 2 && (own || high)) {
            return "Forbidden";
        }
        if whom.starts_with('~') && high {
            return "Forbidden";
        }
        let asked = self.members.contains(whom) || self.invited.contains(whom) || self.level(whom) > 0;
        if self.private && (!asked || self.banned.contains(whom)) {
            return "NotFound";
        }
        if self.banned.contains(whom) {
            return "Conflict";
        }
        let others = self.roles.iter().any(|(name, role)| name != whom && *role == Role::Owner);
        if self.role(whom) == Role::Owner && role != Role::Owner && !others {
            return "Conflict";
        }
        if whom == "nobody" && role != Role::Member {
            return "NotFound";
        }
        self.roles.insert(whom.into(), role);
        "ok"
    }
}

#[derive(Clone, Debug)]
enum Op {
    Join,
    Leave,
    Publish,
    Invite(&'static str),
    Kick(&'static str),
    Ban(&'static str),
    Unban(&'static str),
    Role(&'static str, Role),
}

impl Op {
    fn action(&self) -> Action {
        let tending = match *self {
            Self::Join => return join(),
            Self::Leave => return Action::Leave { only_session: false },
            Self::Publish => return publish(),
            Self::Invite(whom) => Tending::Invite { user: user(whom) },
            Self::Kick(whom) => Tending::Kick { user: user(whom), reason: None },
            Self::Ban(whom) => return ban(whom),
            Self::Unban(whom) => Tending::Unban { user: user(whom) },
            Self::Role(whom, role) => return give(whom, role),
        };
        Action::Tend(tending)
    }
}

const USERS: [&str; 6] = ["ann", "bob", "carol", "dave", "~eve-abcde", "oz"];

fn op() -> impl Strategy<Value = Op> {
    let whom = || prop::sample::select(vec!["ann", "bob", "carol", "dave", "~eve-abcde", "oz", "nobody"]);
    let role = prop::sample::select(vec![Role::Owner, Role::Moderator, Role::Member, Role::Muted]);
    prop_oneof![
        4 => Just(Op::Join),
        1 => Just(Op::Leave),
        3 => Just(Op::Publish),
        3 => whom().prop_map(Op::Invite),
        2 => whom().prop_map(Op::Kick),
        2 => whom().prop_map(Op::Ban),
        2 => whom().prop_map(Op::Unban),
        4 => (whom(), role).prop_map(|(whom, role)| Op::Role(whom, role)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn roles_bans_and_members_are_those_of_a_naive_model(
        private: bool,
        ops in prop::collection::vec((prop::sample::select(USERS.to_vec()), op()), 0..60),
    ) {
        let (mut world, mut model) = (World::new(private), Model::new(private));
        for (who, op) in ops {
            let answer = world.ask(who, op.action());
            prop_assert_eq!(&answer, model.command(who, &op), "{} {:?} with {:?}", who, op, model);
            let members: Vec<&str> = world.state.roster.members().keys().map(UserName::as_str).collect();
            prop_assert_eq!(members, model.members.iter().map(String::as_str).collect::<Vec<_>>());
            for name in USERS {
                let mark = world.state.rights.mark(&user(name));
                let expected = (model.role(name), model.banned.contains(name), model.invited.contains(name));
                prop_assert_eq!((mark.role, mark.banned, mark.invited), expected, "{}", name);
                prop_assert_eq!(world.state.roster.is_here(&user(name)), model.hearing.contains(name), "{}", name);
            }
        }
    }
}

/// What goes on in any order: commands, deletions, and the end of what is under way, well or not.
#[derive(Clone, Debug)]
enum Step {
    Do(&'static str, Op),
    Delete(&'static str),
    Settle(End),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || prop::sample::select(USERS.to_vec());
    prop_oneof![
        8 => (who(), op()).prop_map(|(who, op)| Step::Do(who, op)),
        1 => who().prop_map(Step::Delete),
        7 => Just(Step::Settle(End::Well)),
        1 => Just(Step::Settle(End::Refused)),
        1 => any::<bool>().prop_map(|written| Step::Settle(End::Unknown(written))),
    ]
}

/// Whether a session's story is one that may be told: nothing is heard of the channel but between `joined` and its end.
fn is_orderly(story: &[String]) -> bool {
    let mut hears = false;
    story.iter().all(|word| match word.as_str() {
        "joined" => {
            hears = true;
            true
        }
        "left" => {
            hears = false;
            true
        }
        word if word.starts_with("closed") => std::mem::take(&mut hears),
        word if word.contains(' ') => hears,
        _ => true,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_overlaps_or_fails_everyone_is_answered_once_and_nobody_hears_more_than_is_theirs(
        private: bool,
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(private);
        let mut asked: BTreeMap<u64, usize> = BTreeMap::new();
        for step in steps {
            let (who, action) = match step {
                Step::Do(who, op) => (who, op.action()),
                Step::Delete(who) => (who, delete()),
                Step::Settle(end) => {
                    world.settle(end);
                    continue;
                }
            };
            *asked.entry(count(who)).or_default() += 1;
            world.command(who, action);
        }
        world.settle_all();
        for name in USERS {
            let story = world.heard(name);
            let answers = story.iter().filter(|word| !word.contains(' ')).count();
            prop_assert_eq!(answers, asked.get(&count(name)).copied().unwrap_or_default(), "{}: {:?}", name, story);
            prop_assert!(is_orderly(&story), "{}: {:?}", name, story);
            let (state, user) = (&world.state, user(name));
            if state.rights.mark(&user).banned && name != "oz" {
                prop_assert!(!state.roster.is_member(&user) && !state.roster.is_here(&user), "{} is here", name);
            }
            if state.rights.place().private && name != "oz" {
                prop_assert!(state.roster.is_member(&user) || !state.roster.is_here(&user), "{} is a stranger", name);
            }
        }
        prop_assert_eq!(world.ask("oz", join()), "joined", "it goes on whatever happened");
        prop_assert_eq!(world.ask("oz", publish()), "published");
    }
}
