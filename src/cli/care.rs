//! The care of data from the command line: what is wanted, what is said about it, and how far it is.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{FAILED, OK, REFUSED, STORE, UNSOUND, say};
use crate::care::{self, Counts, Fault, Scope, Sink, Stop};
use crate::clock;
use crate::config::{Config, Engine};
use crate::model::ChannelName;
use crate::store::{Damage, EngineError, OpenError, Rows, SledRows, Wreck};

/// How often the line that says how far it is is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// What is to be looked at.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(super) struct VerifyArgs {
    /// Look at this channel's messages alone
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
}

/// How it is to be mended.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RepairArgs {
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Why it was not done, and the exit code for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u8, pub(super) String);

impl From<Stop> for Refused {
    fn from(stop: Stop) -> Self {
        Self(FAILED, stop.to_string())
    }
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        let advice = if matches!(error, OpenError::InUse(_)) { "; stop the server first" } else { "" };
        Self(STORE, format!("{error}{advice}"))
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self(FAILED, error.to_string())
    }
}

/// The exit code for how something went; says why, if it went wrong.
pub(super) fn code(done: Result<u8, Refused>) -> u8 {
    done.unwrap_or_else(|Refused(code, why)| {
        say(&why);
        code
    })
}

/// Where the data is; there has to be some.
pub(super) fn folder(config: &Config) -> Result<&Path, Refused> {
    if config.store.engine == Engine::Memory {
        return Err(Refused(
            REFUSED,
            "store.engine is \"memory\": its data is within the server, and nowhere else".into(),
        ));
    }
    Ok(&config.store.path)
}

/// The rows of a store that no server has open.
pub(super) fn rows(config: &Config) -> Result<SledRows, Refused> {
    Ok(SledRows::open_known(folder(config)?, config.store.cache_bytes)?)
}

/// Prints a line for whoever asked.
pub(super) fn print(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// What shows on a terminal how far it is, and nothing elsewhere.
pub(super) fn progress(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}: {human_pos} ({elapsed})");
    let bar = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Prints what is wrong, and counts it.
struct Told<'a> {
    faults: u64,
    mends: bool,
    bar: &'a ProgressBar,
}

impl Sink for Told<'_> {
    fn fault(&mut self, fault: Fault) -> Result<(), Stop> {
        self.faults += 1;
        let line = if self.mends { mended(&fault) } else { fault.to_string() };
        Ok(self.bar.suspend(|| print(&line))?)
    }

    fn keep(&mut self, _: &[u8], _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }

    fn aside(&mut self, _: &[u8], _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }

    fn passed(&mut self, rows: u64) {
        self.bar.inc(rows);
    }
}

fn mended(fault: &Fault) -> String {
    format!("{fault}: {}", fault.mend)
}

pub(super) fn summary(counts: &Counts) -> String {
    let Counts { channels, messages, bytes, records, .. } = counts;
    format!("{channels} channels, {messages} messages with {bytes} bytes of bodies, {records} records")
}

/// Looks through a whole store, and says what is wrong; gives what it holds and how many faults there are.
pub(super) fn look(rows: &dyn Rows, scope: &Scope, mends: bool) -> Result<(Counts, u64), Refused> {
    let bar = progress("rows read");
    let mut told = Told { faults: 0, mends, bar: &bar };
    let counts = care::examine(rows, scope, &mut told)?;
    let faults = told.faults;
    bar.finish_and_clear();
    Ok((counts, faults))
}

/// A store that is to be looked through.
enum Held {
    /// Its files are what was written.
    Whole(SledRows),
    /// They are not.
    Wreck(Wreck),
}

impl Held {
    /// Reads through the files first: sled writes over a log that is damaged.
    fn open(config: &Config) -> Result<Self, Refused> {
        let path = folder(config)?;
        let wreck = if SledRows::is_there(path) { Wreck::find(path, config.store.cache_bytes)? } else { None };
        Ok(match wreck {
            Some(wreck) => Self::Wreck(wreck),
            None => Self::Whole(rows(config)?),
        })
    }

    fn rows(&self) -> &dyn Rows {
        match self {
            Self::Whole(rows) => rows,
            Self::Wreck(wreck) => wreck,
        }
    }

    fn damage(&self) -> &[Damage] {
        match self {
            Self::Whole(_) => &[],
            Self::Wreck(wreck) => wreck.damage(),
        }
    }

    /// Says what is wrong with its files, and what is made of that if it is mended; gives how much it is.
    fn tell(&self, mends: bool) -> Result<u64, Refused> {
        for damage in self.damage() {
            let fault = Fault::from(damage);
            print(&if mends { mended(&fault) } else { fault.to_string() })?;
        }
        Ok(self.damage().len() as u64)
    }
}

/// `verify`.
pub(super) fn verify(config: &Config, args: &VerifyArgs) -> Result<u8, Refused> {
    let scope = match &args.channel {
        None => Scope::All,
        Some(name) => Scope::Channel(ChannelName::stored(name).map_err(|why| Refused(REFUSED, why.to_string()))?),
    };
    let held = Held::open(config)?;
    let broken = held.tell(false)?;
    let (counts, faults) = look(held.rows(), &scope, false)?;
    let faults = broken + faults;
    print(&summary(&counts))?;
    print(&if faults == 0 { "sound".to_owned() } else { format!("{faults} faults") })?;
    Ok(if faults == 0 { OK } else { UNSOUND })
}

/// `repair`.
pub(super) fn repair(config: &Config, args: RepairArgs) -> Result<u8, Refused> {
    let (held, now) = (Held::open(config)?, clock::wall());
    let broken = held.tell(true)?;
    if args.dry_run {
        let (counts, faults) = look(held.rows(), &Scope::All, true)?;
        print(&summary(&counts))?;
        print(&format!("{} faults; nothing was changed", broken + faults))?;
        return Ok(if broken + faults == 0 { OK } else { UNSOUND });
    }
    let failed = |why: EngineError| Refused(FAILED, why.to_string());
    let bar = progress("rows read");
    let next = match &held {
        Held::Whole(rows) => rows.beside(),
        Held::Wreck(wreck) => wreck.beside(),
    };
    let next = next.map_err(failed)?;
    let mut tell = |fault: &Fault| bar.suspend(|| print(&mended(fault)));
    let holes = held.damage().iter().filter_map(|damage| damage.hole.as_ref()).filter(|hole| !hole.mended).count();
    let done = care::repair(held.rows(), &next, folder(config)?, now, &mut tell, &mut |rows| bar.inc(rows));
    let done = done.and_then(|done| {
        let life = (holes > 0).then(care::another_life);
        next.put(life.as_slice())?;
        Ok(done)
    });
    bar.finish_and_clear();
    let done = match done {
        Ok(done) => done,
        Err(why) => {
            next.give_up();
            return Err(why.into());
        }
    };
    let faults = broken + done.faults;
    match held {
        Held::Whole(_) if faults == 0 => next.give_up(),
        Held::Whole(rows) => rows.replace(next).map_err(failed)?,
        Held::Wreck(wreck) => {
            let aside = format!("{}-files", care::aside(now));
            wreck.replace(next, &aside)?;
            print(&format!("the damaged files are in {}", config.store.path.join(aside).display()))?;
        }
    }
    print(&summary(&done.counts))?;
    if let Some(path) = done.aside {
        print(&format!("damaged rows are set aside in {}", path.display()))?;
    }
    let lost = done.counts.lost;
    print(&match faults {
        0 => "sound; nothing was changed".to_owned(),
        _ if lost == 0 && done.counts.torn == 0 && holes == 0 => format!("{faults} faults mended; no message was lost"),
        _ => format!("{faults} faults mended; {lost} messages were lost, or lost their bodies"),
    })?;
    if done.counts.torn > 0 || holes > 0 {
        print("what was at the very end of a channel may be lost, too")?;
    }
    if holes > 0 {
        print("what was written last of a small record may be lost; every channel has another epoch")?;
    }
    Ok(OK)
}

/// `compact`.
pub(super) fn compact(config: &Config) -> Result<u8, Refused> {
    let rows = rows(config)?;
    let failed = |why: EngineError| Refused(FAILED, why.to_string());
    let before = rows.bytes_on_disk().map_err(failed)?;
    let bar = progress("rows written");
    let next = rows.beside().map_err(failed)?;
    let copied = rows.copy(&next, &mut |rows| bar.set_position(rows));
    let copied = copied.and_then(|count| Ok((count, next.is_larger(&rows)?)));
    bar.finish_and_clear();
    let (count, larger) = match copied {
        Ok(copied) => copied,
        Err(why) => {
            next.give_up();
            return Err(failed(why));
        }
    };
    if larger {
        next.give_up();
        print(&format!("{count} rows; {before} bytes, as small as it gets"))?;
        return Ok(OK);
    }
    rows.replace(next).map_err(failed)?;
    // It has to open, and what it replaced is gone then.
    let after = self::rows(config)?.bytes_on_disk().map_err(failed)?;
    print(&format!("{count} rows; {before} bytes before, {after} bytes now"))?;
    Ok(OK)
}
