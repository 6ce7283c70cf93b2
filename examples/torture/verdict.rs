//! The verdict on a history, also on one that was saved.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use parlor::checker::Breach;
pub use parlor::checker::check;
use parlor::checker::{History, Terms, What};
use serde_json::{Value, json};

/// The first entry of a history: under what terms it was written.
pub fn note(terms: &Terms, seed: u64) -> String {
    let terms = json!({
        "heartbeat_ms": terms.heartbeat_ms,
        "timeout_ms": terms.timeout_ms,
        "sweep_ms": terms.sweep_ms,
        "slack_ms": terms.slack_ms,
        "replay_max": terms.replay_max,
        "durable": terms.durable,
        "seed": seed,
    });
    format!("terms {terms}")
}

/// The terms of a history that this program has written.
fn terms(history: &History) -> Option<Terms> {
    let What::Note { text } = &history.entries.first()?.what else { return None };
    let terms: Value = serde_json::from_str(text.strip_prefix("terms ")?).ok()?;
    Some(Terms {
        heartbeat_ms: terms["heartbeat_ms"].as_u64()?,
        timeout_ms: terms["timeout_ms"].as_u64()?,
        sweep_ms: terms["sweep_ms"].as_u64()?,
        slack_ms: terms["slack_ms"].as_u64()?,
        replay_max: terms["replay_max"].as_u64()?,
        durable: terms["durable"].as_bool()?,
    })
}

/// Saves a history.
pub fn save(history: &History, path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    history.write(&mut file)?;
    file.flush()
}

/// How the recorder notes what this program saw by itself.
pub const SEEN: &str = "breach of ";

/// Checks a history that was saved. What was seen while it was written is wrong with it, too.
pub fn recheck(path: &Path) -> Result<(usize, Vec<Breach>), String> {
    let file = File::open(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let history = History::read(BufReader::new(file)).map_err(|why| format!("{}: {why}", path.display()))?;
    let terms = terms(&history).ok_or("the first line does not say under what terms it was written")?;
    let seen = history.entries.iter().filter_map(|entry| match &entry.what {
        What::Note { text } => Some(Breach { at: entry.at, rule: "seen", text: text.strip_prefix(SEEN)?.to_owned() }),
        _ => None,
    });
    let breaches = seen.chain(check(&history, &terms)).collect();
    Ok((history.entries.len(), breaches))
}
