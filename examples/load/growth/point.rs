//! What was found at one point, and the file in which points gather.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::check::Faults;
use crate::report::Times;

/// The figures of one point, by their names, which end in their units.
#[derive(Clone, Debug, Default)]
pub struct Point {
    figures: Vec<(String, f64)>,
    faults: Vec<String>,
}

impl Point {
    /// A figure.
    pub fn figure(&mut self, name: impl Into<String>, value: f64) {
        self.figures.push((name.into(), (value * 1000.0).round() / 1000.0));
    }

    /// Times: how many there are, and how they are spread.
    pub fn times(&mut self, name: &str, times: &Times) {
        self.figure(format!("{name}_count"), times.len() as f64);
        for (quantile, at) in [("p50", 0.5), ("p99", 0.99)] {
            self.figure(format!("{name}_{quantile}_us"), times.value_at_quantile(at) as f64);
        }
        self.figure(format!("{name}_max_us"), times.max() as f64);
    }

    /// What was wrong.
    pub fn faults(&mut self, faults: &Faults) {
        self.faults.extend(faults.lines());
    }

    /// What was wrong, in lines.
    pub fn wrong(&self) -> &[String] {
        &self.faults
    }

    /// The names of the figures, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.figures.iter().map(|(name, _)| name.as_str())
    }

    /// One figure.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// All of it, for a program to read.
    pub fn object(&self) -> Value {
        self.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into()
    }
}

/// Points by what grew and how far: what the file holds.
#[derive(Debug, Default)]
pub struct Book(BTreeMap<String, BTreeMap<u64, Value>>);

impl Book {
    /// Reads a file; one that is not there is empty.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(why) => return Err(format!("{}: {why}", path.display())),
        };
        let found = serde_json::from_str(&text);
        found.map(Self).map_err(|why| format!("{} holds no figures: {why}", path.display()))
    }

    /// Takes a point, in the place of an older one.
    pub fn put(&mut self, what: &str, at: u64, point: &Point) {
        self.0.entry(what.to_owned()).or_default().insert(at, point.object());
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.0).map_err(|why| format!("no JSON: {why}"))?;
        std::fs::write(path, text + "\n").map_err(|why| format!("{}: {why}", path.display()))
    }

    /// One figure at each point that has it, ascending.
    pub fn line(&self, what: &str, figure: &str) -> Vec<(f64, f64)> {
        let points = self.0.get(what).into_iter().flatten();
        points.filter_map(|(at, point)| Some((*at as f64, point.get(figure)?.as_f64()?))).collect()
    }
}
