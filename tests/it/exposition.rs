//! Prometheus' exposition format 0.0.4, read line by line and strictly.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of one series.
pub type LabelSet = BTreeMap<String, String>;

/// One series now.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: LabelSet,
    pub value: f64,
}

/// What a text holds: each family's type, and the samples.
#[derive(Debug, Default)]
pub struct Scraped {
    pub types: BTreeMap<String, String>,
    pub samples: Vec<Sample>,
}

fn is_name(text: &str, colon: bool) -> bool {
    let lead = |c: char| c.is_ascii_alphabetic() || c == '_' || (colon && c == ':');
    text.starts_with(lead) && text.chars().all(|c| lead(c) || c.is_ascii_digit())
}

/// `name="value",…}` and what follows it.
fn labels(mut text: &str) -> (LabelSet, &str) {
    let mut all = LabelSet::new();
    while !text.starts_with('}') {
        let (name, rest) = text.split_once("=\"").expect("a label is name=\"value\"");
        assert!(is_name(name, false), "{name} is no label name");
        let (mut value, mut chars) = (String::new(), rest.char_indices());
        let end = loop {
            match chars.next().expect("a value ends with a quote") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("an escape has two characters").1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    c => panic!("\\{c} is no escape"),
                },
                (_, c) => value.push(c),
            }
        };
        assert!(all.insert(name.to_owned(), value).is_none(), "{name} stands twice");
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
    (all, &text[1..])
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect("a sample has a value");
    let (name, rest) = line.split_at(end);
    assert!(is_name(name, true), "{name} is no metric name");
    let (labels, value) = rest.strip_prefix('{').map_or_else(|| (LabelSet::new(), rest), labels);
    let value = value.strip_prefix(' ').expect("one space before the value");
    Sample { name: name.to_owned(), labels, value: value.parse().expect("a number") }
}

/// The family of a sample: for a histogram the name without its suffix.
fn family_of<'a>(name: &'a str, types: &BTreeMap<String, String>) -> &'a str {
    let suffixed = |suffix| name.strip_suffix(suffix).filter(|base| types.get(*base).is_some_and(|t| t == "histogram"));
    ["_bucket", "_sum", "_count"].into_iter().find_map(suffixed).unwrap_or(name)
}

/// Reads a whole text; fails if it is not as it should be.
pub fn scraped(text: &str) -> Scraped {
    let mut all = Scraped::default();
    let (mut helps, mut series, mut current) = (BTreeSet::new(), BTreeSet::new(), String::new());
    assert!(text.ends_with('\n'), "the last line ends");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(!help.is_empty() && helps.insert(name), "{name} has one help text");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind), "{kind} is no type");
            assert!(helps.contains(name), "{name} has its help before its type");
            assert!(all.types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} has one type");
            name.clone_into(&mut current);
        } else {
            let read = sample(line);
            assert_eq!(family_of(&read.name, &all.types), current, "{line} stands with its family");
            assert!(series.insert((read.name.clone(), read.labels.clone())), "{line} is there twice");
            all.samples.push(read);
        }
    }
    check_names(&all);
    check_histograms(&all);
    all
}

/// Counters end in `_total` and nothing else does; units are whole ones; nothing counts backwards.
fn check_names(all: &Scraped) {
    for (name, kind) in &all.types {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        for unit in ["_ms", "_millis", "_micros", "_kb", "_percent", "_count", "_sum", "_bucket"] {
            assert!(!name.ends_with(unit), "{name} ends with {unit}");
        }
    }
    for read in &all.samples {
        let counts = all.types.get(family_of(&read.name, &all.types)).is_some_and(|kind| kind != "gauge");
        assert!(read.value.is_finite() && !(counts && read.value < 0.0), "{read:?}");
    }
}

impl Scraped {
    /// The value of the series with this name and these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: LabelSet = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = self.samples.iter().find(|read| read.name == name && read.labels == labels);
        found.unwrap_or_else(|| panic!("no {name} {labels:?}")).value
    }
}

/// Each histogram's buckets grow, end with +Inf, and agree with its count.
fn check_histograms(all: &Scraped) {
    for name in all.types.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
        let mut buckets: BTreeMap<LabelSet, Vec<(f64, f64)>> = BTreeMap::new();
        for read in all.samples.iter().filter(|read| read.name == format!("{name}_bucket")) {
            let mut labels = read.labels.clone();
            let bound = labels.remove("le").expect("a bucket has a bound");
            buckets.entry(labels).or_default().push((bound.parse().expect("a bound"), read.value));
        }
        assert!(!buckets.is_empty(), "{name} has buckets");
        for (labels, buckets) in buckets {
            assert!(buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1), "{name} {labels:?}");
            let last = buckets.last().unwrap();
            let of = |suffix: &str| {
                let wanted = format!("{name}{suffix}");
                all.samples.iter().find(|read| read.name == wanted && read.labels == labels).map(|read| read.value)
            };
            assert!(last.0.is_infinite() && of("_count") == Some(last.1) && of("_sum").is_some(), "{name} {labels:?}");
        }
    }
}
