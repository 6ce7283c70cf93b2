//! What is printed at the end: a table for people, or one JSON object.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::check::Faults;
use crate::usage::{Sample, Used};

/// Times in microseconds.
pub type Times = Histogram<u64>;

/// No times yet, to three digits.
pub fn times() -> Result<Times, String> {
    Histogram::new_with_bounds(1, 600_000_000, 3).map_err(|why| format!("no histogram: {why}"))
}

/// What a run found.
#[derive(Debug)]
pub struct Report {
    shape: &'static str,
    server: &'static str,
    options: Map<String, Value>,
    /// For people: what it is, and the figure with its unit.
    lines: Vec<(String, String)>,
    json: Map<String, Value>,
    spread: Vec<(&'static str, [u64; 5])>,
    notes: Vec<String>,
    faults: Vec<String>,
}

/// The quantiles that are named.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];

impl Report {
    /// About a shape, run with these options against this server.
    pub fn new(shape: &'static str, server: &'static str, options: Value) -> Self {
        let options = options.as_object().cloned().unwrap_or_default();
        let (lines, json, spread) = (Vec::new(), Map::new(), Vec::new());
        Self { shape, server, options, lines, json, spread, notes: Vec::new(), faults: Vec::new() }
    }

    /// A figure, with as many digits behind the point as people want to see.
    pub fn figure(&mut self, key: &str, value: f64, digits: usize, unit: &str) {
        let line = format!("{} {unit}", grouped(value, digits)).trim_end().to_owned();
        self.lines.push((key.replace('_', " "), line));
        let scale = 10f64.powi(digits as i32 + 2);
        self.json.insert(key.to_owned(), json!((value * scale).round() / scale));
    }

    /// A count.
    pub fn count(&mut self, key: &str, count: u64) {
        self.lines.push((key.replace('_', " "), grouped(count as f64, 0)));
        self.json.insert(key.to_owned(), json!(count));
    }

    /// Times, under a name.
    pub fn times(&mut self, key: &'static str, times: &Times) {
        let quantile = |at: usize| times.value_at_quantile(QUANTILES[at].1);
        let spread = [quantile(0), quantile(1), quantile(2), quantile(3), times.max()];
        let mut object = Map::from_iter([("count".to_owned(), json!(times.len()))]);
        let names = QUANTILES.iter().map(|(name, _)| *name).chain(["max"]);
        object.extend(names.zip(spread).map(|(name, value)| (name.to_owned(), json!(value))));
        self.json.insert(format!("{key}_us"), object.into());
        self.spread.push((key, spread));
    }

    /// What the server and the generator used meanwhile, for so many of these.
    pub fn used(&mut self, used: &Used, each: u64, what: &str) {
        if used.server > 0.0 {
            if each > 0 {
                self.figure(&format!("server_cpu_us_per_{what}"), used.server * 1e6 / each as f64, 3, "us");
            }
            self.figure("server_cpu_percent", used.server / used.seconds * 100.0, 1, "%");
        }
        if each > 0 {
            self.figure(&format!("generator_cpu_us_per_{what}"), used.own * 1e6 / each as f64, 3, "us");
        }
        self.figure("generator_cpu_percent", used.own / used.seconds * 100.0, 1, "%");
        let narrow = used.own_is_narrow();
        self.json.insert("generator_was_the_bottleneck".to_owned(), json!(narrow));
        if narrow {
            self.note("the generator was the bottleneck: its thread had no time left, while the server had some");
        }
    }

    /// The server's memory before and after.
    pub fn memory(&mut self, before: &Sample, after: &Sample) {
        if after.rss > 0 {
            self.figure("rss_before_mb", before.rss as f64 / 1e6, 2, "MB");
            self.figure("rss_after_mb", after.rss as f64 / 1e6, 2, "MB");
        }
    }

    /// Something that people should know.
    pub fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// What was wrong.
    pub fn faults(&mut self, faults: &Faults) {
        self.faults.extend(faults.lines());
    }

    /// Whether nothing was wrong.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// Prints it.
    pub fn print(&self, json: bool) {
        if json { println!("{}", self.object()) } else { self.table() }
    }

    fn object(&self) -> Value {
        let mut object = Map::new();
        object.insert("shape".to_owned(), json!(self.shape));
        object.insert("server".to_owned(), json!(self.server));
        object.insert("options".to_owned(), self.options.clone().into());
        object.insert("ok".to_owned(), json!(self.is_good()));
        object.extend(self.json.clone());
        object.insert("notes".to_owned(), json!(self.notes));
        object.insert("faults".to_owned(), json!(self.faults));
        object.into()
    }

    fn table(&self) {
        let given = self.options.iter().filter(|(_, value)| !value.is_null());
        let options: Vec<_> = given.map(|(key, value)| format!("{key} {value}")).collect();
        println!("{} against {}: {}", self.shape, self.server, options.join(", "));
        for (what, figure) in &self.lines {
            println!("  {what:<32} {figure:>18}");
        }
        if !self.spread.is_empty() {
            println!("  {:<24} {:>10} {:>10} {:>10} {:>10} {:>10}", "ms", "p50", "p90", "p99", "p99.9", "max");
        }
        for (what, spread) in &self.spread {
            let [p50, p90, p99, p99_9, max] = spread.map(|micros| format!("{:.3}", micros as f64 / 1e3));
            println!("  {what:<24} {p50:>10} {p90:>10} {p99:>10} {p99_9:>10} {max:>10}");
        }
        self.notes.iter().for_each(|note| println!("  NOTE: {note}"));
        self.faults.iter().for_each(|fault| println!("  FAULT: {fault}"));
    }
}

/// A number with its thousands apart.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}
