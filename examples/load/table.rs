//! Every work against the bare server and against Parlor in turn, each run a process of its own, and the medians in one
//! table beside the targets.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::args::{Common, Table};
use crate::ending;
use crate::progress::Progress;

/// What has to be reached.
#[derive(Clone, Copy)]
enum Target {
    /// At least this part of the floor.
    Part(f64),
    /// At most this.
    AtMost(f64),
    /// Nothing; it is only told.
    None,
}

/// A work of the table.
struct Work {
    name: &'static str,
    words: &'static str,
    /// The figure: its members in the JSON, and what divides it for people.
    figure: &'static [&'static str],
    scale: f64,
    unit: &'static str,
    /// The server beneath it: `--floor`, `--floor-append`, or none.
    floor: Option<&'static str>,
    target: Target,
    /// Runs for at least so many seconds.
    least: f64,
}

const RATE: &[&str] = &["deliveries_per_second"];
const RECEIPTS: &[&str] = &["receipts_per_second"];

/// The works, in the order in which they are run.
fn works() -> Vec<Work> {
    let work = |name, words, figure, floor, target| Work {
        name,
        words,
        figure,
        scale: 1.0,
        unit: "/s",
        floor,
        target,
        least: 0.0,
    };
    let (bare, append) = (Some("--floor"), Some("--floor-append"));
    let all_posting = "fanout --channels 200 --subscribers 10 --publishers 10 --inflight-all 64";
    let paced = "fanout --channels 200 --subscribers 10 --publishers 10 --rate 1000";
    vec![
        work("fanout 1000, 32 in flight", "fanout --inflight 32", RATE, bare, Target::Part(0.5)),
        work("fanout 1000, 1 in flight", "fanout --inflight 1", RATE, bare, Target::Part(0.6)),
        work("200 x 10 all posting, 64 in flight", all_posting, RATE, bare, Target::Part(0.73)),
        Work {
            scale: 1000.0,
            unit: "ms p99",
            ..work("200 x 10 at 1,000/s", paced, &["delivery_us", "p99"], bare, Target::AtMost(2.0))
        },
        work("receipts, 64 in 64 channels", "receipts", RECEIPTS, bare, Target::Part(0.25)),
        work("receipts, floor appending", "receipts", RECEIPTS, append, Target::None),
        Work {
            scale: 1000.0,
            unit: "kB each",
            ..work("idle 9,000", "idle", &["rss_bytes_per_session"], bare, Target::AtMost(10.5))
        },
        work("reconnect 2,000", "reconnect", &["sessions_per_second"], bare, Target::Part(0.37)),
        work("longpoll 200, 8 in flight", "longpoll", RATE, None, Target::None),
        Work {
            scale: 1000.0,
            unit: "ms p99",
            ..work("mixed", "mixed", &["delivery_websocket_us", "p99"], None, Target::None)
        },
        Work { unit: "x p99", ..work("flood beside 500 quiet", "flood", &["quiet_p99_ratio"], None, Target::None) },
        Work {
            unit: "x p99",
            least: 2.0,
            ..work("replay beside 500 quiet", "replay --messages 200000", &["quiet_p99_ratio"], None, Target::None)
        },
    ]
}

/// A row of the table.
struct Row {
    work: Work,
    floor: Vec<f64>,
    parlor: Vec<f64>,
    notes: Vec<String>,
}

/// Runs them all; false if something was lost, doubled or out of order in one of them.
pub fn run(common: &Common, table: &Table) -> Result<bool, String> {
    let chosen = |work: &Work| table.only.is_empty() || table.only.iter().any(|word| work.name.contains(word.as_str()));
    let row = |work| Row { work, floor: Vec::new(), parlor: Vec::new(), notes: Vec::new() };
    let mut rows: Vec<_> = works().into_iter().filter(chosen).map(row).collect();
    let runs = rows.len() as u64 * u64::from(table.rounds);
    let (mut good, mut done, mut progress) = (true, 0, Progress::new(runs * 1_000_000));
    for _ in 0..table.rounds {
        for row in &mut rows {
            progress.at(done * 1_000_000, row.work.name);
            done += 1;
            if let Some(floor) = row.work.floor {
                let found = once(common, table, &row.work, Some(floor), &mut row.notes, &mut good)?;
                row.floor.push(found);
            }
            let found = once(common, table, &row.work, None, &mut row.notes, &mut good)?;
            row.parlor.push(found);
        }
    }
    drop(progress);
    if common.json {
        let rows: Vec<_> = rows.iter().map(Row::object).collect();
        println!("{}", json!({"shape": "table", "ok": good, "rounds": table.rounds, "rows": rows}));
    } else {
        println!("{:<36} {:>12} {:>12} {:>8} {:>10}  unit", "work", "floor", "parlor", "ratio", "target");
        rows.iter().for_each(Row::print);
    }
    Ok(good)
}

/// Runs a work once and returns its figure.
fn once(
    common: &Common,
    table: &Table,
    work: &Work,
    floor: Option<&str>,
    notes: &mut Vec<String>,
    good: &mut bool,
) -> Result<f64, String> {
    let own = std::env::current_exe().map_err(|why| format!("this program is not there: {why}"))?;
    let mut command = Command::new(own);
    command.args(scaled(work.words, table.scale)).arg("--json");
    let seconds = common.seconds.max(work.least * table.scale);
    command.args(["--seconds", &seconds.to_string(), "--warmup", &common.warmup.to_string()]);
    command.args(["--text", &common.text.to_string()]);
    let options = [(common.keys, "--keys"), (common.members, "--members")];
    command.args(options.iter().filter(|(on, _)| *on).map(|(_, name)| name));
    if let Some(place) = &common.target.data {
        command.arg("--data").arg(place);
    }
    if let Some(floor) = floor {
        command.arg(floor);
    } else {
        let server = common.target.server.iter().map(|path| ["--server".into(), path.clone().into_os_string()]);
        command.args(server.flatten());
        command.args(common.target.set.iter().flat_map(|set| ["--set", set]));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = ending::output(&mut command).map_err(|why| format!("{}: {why}", work.name))?;
    let found: Value =
        serde_json::from_slice(&output.stdout).map_err(|why| format!("{} said no JSON: {why}", work.name))?;
    *good &= output.status.success();
    let lines = [&found["notes"], &found["faults"]].into_iter().filter_map(Value::as_array).flatten();
    for line in lines.filter_map(Value::as_str) {
        let note = format!("{}: {line}", floor.unwrap_or("parlor").trim_start_matches('-'));
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let figure = work.figure.iter().fold(&found, |found, name| &found[*name]);
    let figure = figure.as_f64().ok_or_else(|| format!("{} did not say {:?}", work.name, work.figure))?;
    Ok(figure / work.scale)
}

/// The words of a work, with its sizes made smaller for a quick look.
fn scaled(words: &str, scale: f64) -> Vec<String> {
    let mut words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
    if scale < 1.0 {
        let more = match words[0].as_str() {
            "fanout" if words.contains(&"--channels".to_owned()) => vec![],
            "fanout" => vec![("--subscribers", 1000.0)],
            "idle" => vec![("--sessions", 9000.0)],
            "reconnect" => vec![("--sessions", 2000.0), ("--cuts", 5.0)],
            "longpoll" => vec![("--clients", 200.0)],
            "mixed" => vec![("--sessions", 500.0), ("--pollers", 50.0)],
            "flood" => vec![("--publishers", 1000.0), ("--quiet", 500.0)],
            "replay" => vec![("--quiet", 500.0)],
            _ => vec![],
        };
        for (name, size) in more {
            words.extend([name.to_owned(), ((size * scale).ceil() as u64).to_string()]);
        }
        let sizes = ["--channels", "--messages"];
        for at in 1..words.len() {
            if sizes.contains(&words[at - 1].as_str()) {
                let size: f64 = words[at].parse().unwrap_or(1.0);
                words[at] = ((size * scale).ceil() as u64).to_string();
            }
        }
    }
    words
}

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.is_empty() {
        None
    } else if sorted.len() % 2 == 1 {
        Some(sorted[half])
    } else {
        Some(f64::midpoint(sorted[half - 1], sorted[half]))
    }
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        Some(median(&self.parlor)? / median(&self.floor)?)
    }

    fn is_met(&self) -> Option<bool> {
        match self.work.target {
            Target::Part(part) => self.ratio().map(|ratio| ratio >= part),
            Target::AtMost(most) => median(&self.parlor).map(|found| found <= most),
            Target::None => None,
        }
    }

    fn target(&self) -> String {
        match self.work.target {
            Target::Part(part) => format!(">= {part}"),
            Target::AtMost(most) => format!("<= {most}"),
            Target::None => "-".to_owned(),
        }
    }

    fn object(&self) -> Value {
        json!({
            "work": self.work.name, "command": self.work.words, "unit": self.work.unit, "floor": median(&self.floor),
            "parlor": median(&self.parlor), "ratio": self.ratio(), "target": self.target(), "met": self.is_met(),
            "floor_runs": self.floor, "parlor_runs": self.parlor, "notes": self.notes,
        })
    }

    fn print(&self) {
        let figure = |figures: &[f64]| median(figures).map_or("-".to_owned(), short);
        let ratio = self.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let met = self.is_met().map_or("", |met| if met { "  met" } else { "  MISSED" });
        println!(
            "{:<36} {:>12} {:>12} {ratio:>8} {:>10}  {}{met}",
            self.work.name,
            figure(&self.floor),
            figure(&self.parlor),
            self.target(),
            self.work.unit
        );
        self.notes.iter().for_each(|note| println!("    {note}"));
    }
}

/// A figure in as many digits as tell something.
fn short(figure: f64) -> String {
    if figure >= 1000.0 { format!("{figure:.0}") } else { format!("{figure:.2}") }
}
