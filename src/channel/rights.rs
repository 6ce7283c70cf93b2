//! Who may do what in a channel: what it has made of whom, and what follows from that. Pure.
//!
//! A channel of which nothing special is said is everyone's, and finds that out without looking anything up. A channel
//! that someone may not see answers them as one that is not there.

use std::collections::BTreeMap;

use crate::model::{ChannelName, Role, Standing, UserName};
use crate::store::{Mark, Place};

/// How many users a channel has something to say about, at most.
const MARKS_MAX: usize = 100_000;

/// What someone is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Hear it, as a member from then on or not.
    Join {
        /// Whether as a member.
        member: bool,
    },
    /// Read the log, or who is here.
    Look,
    /// Say something.
    Publish,
    /// What is refused by who hears or belongs already: leaving, typing, reading positions.
    Belong,
    /// Ask someone in.
    Invite,
    /// Put someone out, let someone in again, or give someone a role.
    Order,
    /// Be rid of it.
    Delete,
}

/// Why someone may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// The channel is not there, as far as they are concerned.
    Hidden,
    /// It is not theirs to do, for this reason.
    Forbidden(&'static str),
}

/// How far someone's word goes, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Member,
    Moderator,
    Owner,
    Operator,
}

fn rank(role: Role) -> Rank {
    match role {
        Role::Owner => Rank::Owner,
        Role::Moderator => Rank::Moderator,
        Role::Member | Role::Muted => Rank::Member,
    }
}

/// What someone brings along: what the channel has made of them, whether they belong, in which standing they speak.
#[derive(Clone, Copy, Debug)]
pub struct Bearing {
    /// What the channel has made of them.
    pub mark: Mark,
    /// Whether they are a member.
    pub member: bool,
    /// In which standing they speak.
    pub standing: Standing,
}

impl Bearing {
    /// Whether a channel that is `private`, or not, is there as far as they are concerned.
    pub fn sees(self, private: bool) -> bool {
        let vouched = self.standing == Standing::Vouched;
        let asked = vouched || self.mark.invited || rank(self.mark.role) > Rank::Member;
        match self.standing {
            Standing::Barred => false,
            Standing::Operator => true,
            _ => !private || (!self.mark.banned && (self.member || asked)),
        }
    }

    /// Whether they may do this in a channel that is `private`, or not.
    pub fn may(self, private: bool, deed: Deed) -> Result<(), No> {
        if self.standing == Standing::Operator {
            return Ok(());
        }
        if !self.sees(private) {
            return Err(No::Hidden);
        }
        let outside = private && !self.member;
        match deed {
            Deed::Belong => Ok(()),
            _ if self.mark.banned => Err(No::Forbidden("you are banned from this channel")),
            Deed::Join { member: false } | Deed::Look | Deed::Publish if outside => {
                Err(No::Forbidden("a private channel is for its members: join it"))
            }
            Deed::Publish if self.mark.role == Role::Muted => Err(No::Forbidden("you are muted in this channel")),
            Deed::Invite | Deed::Order if rank(self.mark.role) < Rank::Moderator => {
                Err(No::Forbidden("only owners and moderators may do that"))
            }
            Deed::Delete if rank(self.mark.role) < Rank::Owner => Err(No::Forbidden("only an owner may do that")),
            _ => Ok(()),
        }
    }

    fn rank(self) -> Rank {
        if self.standing == Standing::Operator { Rank::Operator } else { rank(self.mark.role) }
    }

    /// Whether they may put someone out, or let someone in again, of whom the channel has made this.
    pub fn may_order(self, whom: Mark) -> Result<(), No> {
        if self.rank() > rank(whom.role) { Ok(()) } else { Err(No::Forbidden("their role is not below yours")) }
    }

    /// Whether they may give `role` to someone of whom the channel has made this, who may be they `themselves`.
    pub fn may_give(self, role: Role, whom: Mark, themselves: bool) -> Result<(), No> {
        if !themselves {
            self.may_order(whom)?;
        }
        match self.rank() {
            Rank::Operator | Rank::Owner => Ok(()),
            _ if rank(role) > Rank::Member || themselves => Err(No::Forbidden("only an owner may do that")),
            _ => Ok(()),
        }
    }
}

/// What is special about a channel.
#[derive(Debug, Default)]
pub(super) struct Rights {
    place: Place,
    /// The two whose direct channel it is.
    parties: Option<(UserName, UserName)>,
    marks: BTreeMap<UserName, Mark>,
}

impl Rights {
    /// Those of a channel of this name of which nothing else is known.
    pub fn of(name: &ChannelName) -> Self {
        Self { parties: name.parties(), ..Self::default() }
    }

    /// Takes in what the store says.
    pub fn fill(&mut self, place: Place, marks: impl IntoIterator<Item = (UserName, Mark)>) {
        self.place = place;
        self.marks = marks.into_iter().filter(|(_, mark)| !mark.is_plain()).collect();
    }

    /// Nothing is special any more.
    pub fn clear(&mut self) {
        self.fill(Place::default(), []);
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it is the direct channel of two users, and who they are.
    pub fn parties(&self) -> Option<&(UserName, UserName)> {
        self.parties.as_ref()
    }

    /// What it has made of a user.
    pub fn mark(&self, user: &UserName) -> Mark {
        self.marks.get(user).copied().unwrap_or_default()
    }

    /// Whether it has made anything of a user.
    pub fn knows(&self, user: &UserName) -> bool {
        self.marks.contains_key(user)
    }

    /// Whether it can say something about one more.
    pub fn is_full(&self) -> bool {
        self.marks.len() >= MARKS_MAX
    }

    /// Makes something of a user.
    pub fn set(&mut self, user: &UserName, mark: Mark) {
        if mark.is_plain() {
            self.marks.remove(user);
        } else {
            self.marks.insert(user.clone(), mark);
        }
    }

    /// Whether anyone else owns it.
    pub fn has_owner_beside(&self, user: &UserName) -> bool {
        self.marks.iter().any(|(own, mark)| mark.role == Role::Owner && own != user)
    }

    /// Whether everyone who comes may hear it and speak.
    pub fn is_everyones(&self) -> bool {
        self.parties.is_none() && !self.place.private && self.marks.is_empty()
    }

    /// Whether a user may do this; `member` says whether they belong.
    pub fn may(
        &self,
        user: &UserName,
        standing: Standing,
        member: impl FnOnce() -> bool,
        deed: Deed,
    ) -> Result<(), No> {
        if standing == Standing::Barred {
            return Err(No::Hidden);
        }
        if let Some((one, other)) = &self.parties {
            return if standing == Standing::Guest || (user != one && user != other) {
                Err(No::Hidden)
            } else if matches!(deed, Deed::Invite | Deed::Order | Deed::Delete) {
                Err(No::Forbidden("a direct channel belongs to both alike"))
            } else {
                Ok(())
            };
        }
        if self.is_everyones() && matches!(deed, Deed::Join { .. } | Deed::Look | Deed::Publish | Deed::Belong) {
            return Ok(());
        }
        self.bearing(user, standing, member).may(self.place.private, deed)
    }

    /// What a user brings along.
    pub fn bearing(&self, user: &UserName, standing: Standing, member: impl FnOnce() -> bool) -> Bearing {
        Bearing { mark: self.mark(user), member: self.place.private && member(), standing }
    }
}

#[cfg(test)]
#[path = "rights_tests.rs"]
mod tests;
