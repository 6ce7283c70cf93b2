//! What everyone may do, as a table.

use super::*;

const ALL: [Deed; 8] = [
    Deed::Join { member: true },
    Deed::Join { member: false },
    Deed::Look,
    Deed::Publish,
    Deed::Belong,
    Deed::Invite,
    Deed::Order,
    Deed::Delete,
];

const fn mark(role: Role, banned: bool, invited: bool) -> Mark {
    Mark { role, banned, invited }
}

const PLAIN: Mark = mark(Role::Member, false, false);
const MUTED: Mark = mark(Role::Muted, false, false);
const INVITED: Mark = mark(Role::Member, false, true);
const BANNED: Mark = mark(Role::Member, true, false);
const MODERATOR: Mark = mark(Role::Moderator, false, false);
const OWNER: Mark = mark(Role::Owner, false, false);

/// For each deed in the order of [`ALL`]: `+` may, `-` may not, `?` does not even see the channel.
fn shown(bearing: Bearing, private: bool) -> String {
    let of = |deed: &Deed| match bearing.may(private, *deed) {
        Ok(()) => '+',
        Err(No::Forbidden(_)) => '-',
        Err(No::Hidden) => '?',
    };
    ALL.iter().map(of).collect()
}

#[test]
fn what_everyone_may_do_is_a_table() {
    use Standing::{Account, Barred, Guest, Operator, Vouched};
    for (who, mark, member, standing, public, private) in [
        ("a stranger", PLAIN, false, Account, "+++++---", "????????"),
        ("a guest", PLAIN, false, Guest, "+++++---", "????????"),
        ("a guest who is a member", PLAIN, true, Guest, "+++++---", "+++++---"),
        ("a member", PLAIN, true, Account, "+++++---", "+++++---"),
        ("a muted member", MUTED, true, Account, "+++-+---", "+++-+---"),
        ("a muted stranger", MUTED, false, Account, "+++-+---", "????????"),
        ("an invited one", INVITED, false, Account, "+++++---", "+---+---"),
        ("an invited member", INVITED, true, Account, "+++++---", "+++++---"),
        ("a banned one", BANNED, false, Account, "----+---", "????????"),
        ("a banned guest", BANNED, false, Guest, "----+---", "????????"),
        ("a moderator", MODERATOR, true, Account, "+++++++-", "+++++++-"),
        ("a moderator who left", MODERATOR, false, Account, "+++++++-", "+---+++-"),
        ("an owner", OWNER, true, Account, "++++++++", "++++++++"),
        ("an owner who left", OWNER, false, Account, "++++++++", "+---++++"),
        ("one whom a token lets in", PLAIN, false, Vouched, "+++++---", "+---+---"),
        ("a banned one whom a token lets in", BANNED, false, Vouched, "----+---", "????????"),
        ("an owner whom a token keeps out", OWNER, true, Barred, "????????", "????????"),
        ("an operator", PLAIN, false, Operator, "++++++++", "++++++++"),
        ("a banned operator", BANNED, false, Operator, "++++++++", "++++++++"),
    ] {
        let bearing = Bearing { mark, member, standing };
        assert_eq!(shown(bearing, false), public, "{who} in a public channel");
        assert_eq!(shown(bearing, true), private, "{who} in a private channel");
        assert_eq!(bearing.sees(true), !private.contains('?'), "{who}");
    }
}

#[test]
fn nobody_orders_upward() {
    use Standing::{Account, Operator};
    let of = |mark, standing| Bearing { mark, member: true, standing };
    let actors = [of(PLAIN, Operator), of(OWNER, Account), of(MODERATOR, Account), of(PLAIN, Account)];
    for (actor, expected) in actors.iter().zip(["+++++", "-++++", "--+++", "-----"]) {
        let orders = |whom| if actor.may_order(whom).is_ok() { '+' } else { '-' };
        let whom = [OWNER, MODERATOR, PLAIN, MUTED, BANNED];
        assert_eq!(whom.map(orders).iter().collect::<String>(), expected, "{actor:?}");
    }
}

#[test]
fn roles_are_given_by_owners_and_moderators_silence_members() {
    use Standing::{Account, Operator};
    let roles = [Role::Owner, Role::Moderator, Role::Member, Role::Muted];
    let of = |mark, standing| Bearing { mark, member: true, standing };
    for (actor, whom, themselves, expected) in [
        (of(PLAIN, Operator), OWNER, false, "++++"),
        (of(PLAIN, Operator), PLAIN, true, "++++"),
        (of(OWNER, Account), OWNER, false, "----"),
        (of(OWNER, Account), OWNER, true, "++++"),
        (of(OWNER, Account), MODERATOR, false, "++++"),
        (of(OWNER, Account), PLAIN, false, "++++"),
        (of(MODERATOR, Account), OWNER, false, "----"),
        (of(MODERATOR, Account), MODERATOR, false, "----"),
        (of(MODERATOR, Account), MODERATOR, true, "----"),
        (of(MODERATOR, Account), PLAIN, false, "--++"),
        (of(MODERATOR, Account), MUTED, false, "--++"),
        (of(PLAIN, Account), PLAIN, true, "----"),
        (of(MUTED, Account), MUTED, true, "----"),
    ] {
        let gives = |role| if actor.may_give(role, whom, themselves).is_ok() { '+' } else { '-' };
        assert_eq!(roles.map(gives).iter().collect::<String>(), expected, "{actor:?} to {whom:?}, {themselves}");
    }
}

#[test]
fn a_direct_channel_is_its_parties_and_nobody_elses() {
    let user = |name| UserName::parse(name).unwrap();
    let rights = Rights::of(&ChannelName::stored("@ann:bob").unwrap());
    for (who, standing, expected) in [
        ("ann", Standing::Account, "+++++---"),
        ("bob", Standing::Operator, "+++++---"),
        ("carol", Standing::Account, "????????"),
        ("carol", Standing::Operator, "????????"),
        ("~ann-abcde", Standing::Guest, "????????"),
    ] {
        let of = |deed: &Deed| match rights.may(&user(who), standing, || false, *deed) {
            Ok(()) => '+',
            Err(No::Forbidden(_)) => '-',
            Err(No::Hidden) => '?',
        };
        assert_eq!(ALL.iter().map(of).collect::<String>(), expected, "{who}");
    }
}

#[test]
fn where_nothing_is_special_nobody_is_looked_up() {
    let ann = UserName::parse("ann").unwrap();
    let mut rights = Rights::of(&ChannelName::stored("a").unwrap());
    let may = |rights: &Rights, deed| rights.may(&ann, Standing::Guest, || panic!("looked up"), deed);
    assert_eq!(may(&rights, Deed::Publish), Ok(()));
    assert!(rights.is_everyones());
    rights.set(&ann, MUTED);
    assert!(matches!(may(&rights, Deed::Publish), Err(No::Forbidden(_))));
    rights.set(&ann, PLAIN);
    assert!(rights.is_everyones());
}
