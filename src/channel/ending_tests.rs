//! How a channel ends: deleted, not deleted after all, or lost.

use super::*;

#[test]
fn a_channel_ends_behind_what_is_being_written_and_a_later_one_is_another() {
    let mut world = World::new(false);
    world.ask("bob", join());
    world.heard.clear();
    world.command("bob", publish());
    world.command("bob", publish());
    world.command("ann", delete());
    world.command("bob", publish());
    world.settle_all();
    let bob = world.heard("bob");
    assert_eq!(bob, ["bob says", "published", "closed Deleted", "NotFound", "NotFound"]);
    assert_eq!(world.heard("ann"), ["ok"]);
    assert_eq!(world.ask("bob", publish()), "NotFound");
    assert_eq!(world.ask("bob", join()), "joined");
    assert_eq!(world.state.seqs.head().epoch, Epoch("f".into()));
    assert!(world.state.rights.is_everyones(), "nobody owns it");
    assert_eq!(world.ask("ann", delete()), "Forbidden");
    assert_eq!(world.ask("oz", delete()), "ok");
}

#[test]
fn a_deletion_of_which_nobody_knew_whether_it_was_written_is_seen_when_all_is_read_anew() {
    for written in [false, true] {
        let mut world = World::new(false);
        world.ask("bob", join());
        world.heard.clear();
        world.command("ann", delete());
        world.command("oz", ban("bob"));
        world.settle(End::Unknown(written));
        world.settle_all();
        assert_eq!(world.heard("ann"), ["Unavailable"]);
        let heard = [world.heard("bob"), world.heard("oz")];
        if written {
            assert_eq!(heard, [["closed Deleted"], ["NotFound"]]);
            assert!(world.state.is_absent(), "nothing is kept of it");
            assert_eq!(world.ask("bob", join()), "joined");
            assert!(world.state.rights.is_everyones() && !world.state.roster.is_member(&user("ann")));
        } else {
            assert_eq!(heard, [["closed Banned"], ["ok"]]);
            assert_eq!(world.ask("ann", publish()), "published");
        }
    }
}

#[test]
fn a_deletion_that_could_not_be_written_leaves_everything_as_it_was() {
    let mut world = World::new(false);
    world.ask("bob", join());
    world.heard.clear();
    world.command("bob", publish());
    world.command("ann", delete());
    world.command("bob", publish());
    world.settle(End::Well);
    world.settle(End::Refused);
    assert_eq!(world.heard("ann"), ["Unavailable"]);
    assert!(matches!(world.todo[..], [Effect::Append(..)]), "it goes on at once: {:?}", world.todo);
    world.settle_all();
    assert_eq!(world.heard("bob"), ["bob says", "published", "bob says", "published"]);
    assert_eq!(world.ask("ann", delete()), "ok");
}

#[test]
fn a_deletion_whose_right_was_lost_before_its_turn_came_holds_nothing_up() {
    let mut world = World::new(false);
    world.ask("bob", join());
    world.ask("ann", give("bob", Role::Owner));
    world.heard.clear();
    world.command("ann", ban("dave"));
    world.command("oz", give("bob", Role::Member));
    world.command("bob", delete());
    // There is such a user, and the ban is written; the role is being written when something is said.
    world.settle(End::Well);
    world.settle(End::Well);
    world.command("ann", publish());
    world.settle_all();
    assert_eq!(world.heard("bob"), ["dave banned", "bob role", "ann says", "Forbidden"]);
    assert_eq!(world.ask("ann", publish()), "published");
}

#[test]
fn nothing_is_kept_of_a_channel_that_turns_out_to_be_lost() {
    let mut world = World::new(false);
    world.ask("bob", join());
    world.command("carol", Action::Watch);
    world.heard.clear();
    world.command("ann", ban("dave"));
    world.command("oz", delete());
    world.command("bob", publish());
    let append = world.todo.pop();
    assert!(matches!(append, Some(Effect::Append(..))), "{append:?}");
    // The log is not what it was, and then it is not there.
    let effects = world.state.input(TIME, Input::Appended(Err(AppendError::NoChannel)));
    world.take(effects);
    world.todo.clear();
    let effects = world.state.input(TIME, Input::Loaded(Ok(Found::Nothing)));
    world.take(effects);
    assert_eq!(world.heard("bob"), ["Unavailable", "closed Reset"]);
    assert_eq!([world.heard("ann"), world.heard("oz")], [["Unavailable"], ["Unavailable"]]);
    assert!(world.state.is_absent(), "{:?}", world.state);
    assert_eq!(world.ask("bob", join()), "joined");
    assert_eq!(world.ask("bob", publish()), "published");
}
