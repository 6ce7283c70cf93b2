//! A sweep, step by step.

use super::*;
use crate::model::{ChannelName, Epoch, Wall};
use crate::store::Head;

fn due(channel: &str) -> Due {
    let of = Head { epoch: Epoch("e".into()), seq: 9, first: 1, at: Wall(0), hash: [0; 16], token: 0 };
    Due { channel: ChannelName::stored(channel).unwrap(), of, below: 5 }
}

fn looked(after: &str, due: Option<Due>, over: bool) -> Input {
    let page = Page { sizes: Vec::new(), after: Some(after.to_owned()), due, again: None, over };
    Input::Looked(Ok(page), Duration::from_millis(30))
}

fn trimmed(messages: u64) -> Input {
    let head = Head { epoch: Epoch("e".into()), seq: 9, first: 5, at: Wall(0), hash: [0; 16], token: 1 };
    Input::Trimmed(Ok(Trimmed { head, messages, bytes: 0 }))
}

fn look(after: &str, rest: u64) -> Effect {
    Effect::Look(Some(after.to_owned()), Duration::from_millis(rest))
}

#[test]
fn it_goes_from_channel_to_channel_and_rests_as_long_as_it_looked() {
    let every = Duration::from_secs(9);
    let mut sweep = Sweep::new(every);
    assert_eq!(sweep.begin(), Effect::Later(every));
    assert_eq!(Sweep::new(Duration::from_secs(600)).begin(), Effect::Later(Duration::from_secs(60)));
    assert_eq!(sweep.step(Moment(5), Input::Due), Effect::Look(None, Duration::ZERO));
    assert_eq!(sweep.step(Moment(6), looked("b", None, false)), look("b", 30));
    assert_eq!(sweep.step(Moment(6), looked("c", Some(due("d")), false)), Effect::Trim(due("d")));
    assert_eq!(sweep.step(Moment(7), trimmed(4)), look("c", 1), "the same channel again");
    assert_eq!(sweep.step(Moment(8), looked("c", Some(due("d")), false)), Effect::Trim(due("d")));
    assert_eq!(sweep.step(Moment(8), trimmed(4)), look("c", 1));
    assert_eq!(sweep.step(Moment(9), looked("e", None, true)), Effect::Later(every));
    assert_eq!(sweep.ended.take(), Some(Tally { channels: 1, took: Duration::from_millis(4) }));
    assert_eq!(sweep.step(Moment(10), Input::Due), Effect::Look(None, Duration::ZERO), "from the start");
}

#[test]
fn a_channel_that_lets_nothing_go_waits_for_the_next_sweep() {
    let mut sweep = Sweep::new(Duration::from_secs(9));
    for result in [trimmed(0), Input::Trimmed(Err(Problem::unavailable("no")))] {
        sweep.step(Moment(5), Input::Due);
        sweep.step(Moment(6), looked("c", Some(due("d")), false));
        assert_eq!(sweep.step(Moment(7), result), look("d", 1));
        assert_eq!(sweep.step(Moment(8), looked("d", None, true)), Effect::Later(Duration::from_secs(9)));
        assert_eq!(sweep.ended.take().map(|tally| tally.channels), Some(0));
    }
}

#[test]
fn what_cannot_be_read_is_looked_at_by_the_next_sweep() {
    let mut sweep = Sweep::new(Duration::from_secs(9));
    sweep.step(Moment(5), Input::Due);
    let failed = Input::Looked(Err(ReadError::Unavailable("no".into())), Duration::ZERO);
    assert_eq!(sweep.step(Moment(6), failed), Effect::Later(Duration::from_secs(9)));
}
