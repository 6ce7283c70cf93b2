//! What the log says of an actor: its kind and name before the words, and beside them the session or channel that it is.

use std::fmt::Arguments;

use log::Level;

/// Says of an actor, by its kind and its name, what happened to it.
pub(super) fn say(level: Level, target: &str, (kind, name): (&str, &str), words: Arguments<'_>) {
    match kind {
        "session" => log::log!(target: target, level, sid = name; "{kind} {name} {words}"),
        "channel" => log::log!(target: target, level, channel = name; "{kind} {name} {words}"),
        _ => log::log!(target: target, level, "{kind} {name} {words}"),
    }
}
