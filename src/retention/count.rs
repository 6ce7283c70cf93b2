//! How many bytes of bodies a log holds: counted once as it grows, and remembered. Blocks on the disk.

use crate::model::{ChannelName, Seq};
use crate::store::{ChannelLog, Head, Meta, ReadError, Size, size_key};

/// How many messages are read at once …
const PAGE: usize = 512;
/// … and how many bytes of bodies, beyond the first.
const PAGE_BYTES: usize = 256 * 1024;

/// What was counted of a channel's log, as it is kept now.
pub fn counted(meta: &dyn Meta, channel: &ChannelName, head: &Head) -> Result<Size, ReadError> {
    let record = meta.get(&size_key(channel.as_str()))?;
    Ok(record.and_then(|record| Size::read(&record.value, head)).unwrap_or_else(|| Size::none(head)))
}

/// Goes on counting up to `head`, but looks at no more messages than `most`, which it takes from it.
pub fn measure(
    log: &dyn ChannelLog,
    channel: &ChannelName,
    head: &Head,
    size: &mut Size,
    most: &mut u64,
) -> Result<(), ReadError> {
    (size.upto, size.bytes) = add_up(log, channel, (size.upto, size.bytes), head.seq, u64::MAX, most)?;
    Ok(())
}

/// Adds the bodies behind a place to what was counted up to there, until `to` or `enough` is reached, or no more may be
/// looked at.
pub(super) fn add_up(
    log: &dyn ChannelLog,
    channel: &ChannelName,
    (mut upto, mut bytes): (Seq, u64),
    to: Seq,
    enough: u64,
    most: &mut u64,
) -> Result<(Seq, u64), ReadError> {
    while upto < to && bytes < enough && *most > 0 {
        let max = PAGE.min(usize::try_from(*most).unwrap_or(PAGE));
        let page = log.range(channel, upto + 1, to, max, PAGE_BYTES)?;
        // A page that begins later is of a log that was shortened meanwhile: what was counted holds no more.
        if page.first().is_none_or(|first| first.seq != upto + 1) {
            return Err(ReadError::Unavailable("the log was shortened meanwhile".into()));
        }
        for message in page {
            if bytes >= enough {
                break;
            }
            (upto, bytes, *most) = (message.seq, bytes + message.body.len() as u64, most.saturating_sub(1));
        }
    }
    Ok((upto, bytes))
}
