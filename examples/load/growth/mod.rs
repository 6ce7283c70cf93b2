//! One thing measured as another one grows: a server of its own for each point, the figures gathered in a file, and
//! plots drawn of what is there. Points may be measured in several runs, in any order; the last one of each counts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::args::Common;

mod asks;
mod channels;
mod draw;
mod fill;
mod messages;
mod point;
mod sessions;
mod subscribers;

use point::{Book, Point};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Idle sessions beside a channel of ten: their memory, the CPU they take, and what the ten notice
    Sessions,
    /// Channels that exist: a publish to one of them, a join, memory
    Channels,
    /// Messages on disk: receipts, history, joins, memory, disk, starts
    Messages,
    /// Subscribers of one channel: deliveries, and how long they take
    Subscribers,
    /// Nothing: draw the plots of what was measured before
    Draw,
}

/// What to measure, and where to put it. Each phase of a point takes half of --seconds and --warmup; the window in which
/// idle sessions are watched takes 1.2 times --seconds.
#[derive(Clone, Debug, Args)]
pub struct Growth {
    /// What grows
    #[arg(value_enum)]
    pub what: What,
    /// The points, instead of the usual ones
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    pub points: Vec<u64>,
    /// The file in which figures gather
    #[arg(long, visible_alias = "from", value_name = "FILE", default_value = "growth.json")]
    pub into: PathBuf,
    /// Draw the plots into this directory
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
    /// messages: how many of a channel's messages are written together, as a busy server would
    #[arg(long, default_value_t = 16)]
    pub together: u64,
}

impl What {
    /// As it stands in the file.
    fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Channels => "channels",
            Self::Messages => "messages",
            Self::Subscribers => "subscribers",
            Self::Draw => "draw",
        }
    }

    /// The usual points.
    fn points(self) -> &'static [u64] {
        match self {
            Self::Sessions | Self::Subscribers => &[1, 10, 100, 1000, 5000, 9000],
            Self::Channels => &[10, 1000, 10_000, 100_000],
            Self::Messages => &[10_000, 100_000, 1_000_000, 10_000_000],
            Self::Draw => &[],
        }
    }
}

/// Measures, writes down and draws; false if something was wrong.
pub fn run(common: &Common, growth: &Growth) -> Result<bool, String> {
    if common.target.url.is_some() || common.target.floor || common.target.floor_append {
        return Err("what grows is measured with a Parlor of its own: neither --url nor --floor".into());
    }
    if growth.what == What::Draw && growth.plots.is_none() {
        return Err("there is nothing to draw into: say --plots DIR".into());
    }
    let half = Common { seconds: common.seconds / 2.0, warmup: common.warmup / 2.0, ..common.clone() };
    let usual = growth.what.points();
    let points = if growth.points.is_empty() { usual } else { &growth.points };
    let points = if growth.what == What::Draw { usual } else { points };
    if points.contains(&0) {
        return Err("a point is 1 or more".into());
    }
    let mut measured = Vec::new();
    for at in points {
        let point = match growth.what {
            What::Sessions => sessions::measure(&half, *at)?,
            What::Channels => channels::measure(&half, *at)?,
            What::Messages => messages::measure(&half, *at, growth.together.max(1))?,
            What::Subscribers => subscribers::measure(&half, *at)?,
            What::Draw => continue,
        };
        // At once, and on what is there by now: a run that is cut short has lost nothing but its last point.
        if point.wrong().is_empty() {
            let mut book = Book::read(&growth.into)?;
            book.put(growth.what.name(), *at, &point);
            book.write(&growth.into)?;
        }
        measured.push((*at, point));
    }
    let drawn = match &growth.plots {
        Some(plots) => draw::draw(&Book::read(&growth.into)?, plots)?,
        None => Vec::new(),
    };
    let good = measured.iter().all(|(_, point)| point.wrong().is_empty());
    if common.json {
        let point = |(at, point): &(u64, Point)| json!({"at": at, "figures": point.object(), "faults": point.wrong()});
        let points: Vec<_> = measured.iter().map(point).collect();
        let what = growth.what.name();
        println!("{}", json!({"shape": "growth", "what": what, "ok": good, "points": points, "plots": drawn}));
    } else {
        table(growth.what.name(), &measured);
        drawn.iter().for_each(|path| println!("drawn: {path}"));
    }
    Ok(good)
}

/// A line for each figure, a column for each point.
fn table(what: &str, points: &[(u64, Point)]) {
    let Some((_, first)) = points.first() else { return };
    let columns: Vec<_> = points.iter().map(|(at, _)| format!("{:>12}", draw::short(*at as f64))).collect();
    println!("{what:<32}{}", columns.concat());
    for name in first.names() {
        let figure = |(_, point): &(u64, Point)| match point.get(name) {
            Some(value) if value.abs() >= 1000.0 => format!("{value:>12.0}"),
            Some(value) => format!("{value:>12.2}"),
            None => format!("{:>12}", "-"),
        };
        let figures: Vec<_> = points.iter().map(figure).collect();
        println!("  {:<30}{}", name.replace('_', " "), figures.concat());
    }
    let faults = |(at, point): &(u64, Point)| point.wrong().iter().for_each(|line| println!("  FAULT at {at}: {line}"));
    points.iter().for_each(faults);
}
