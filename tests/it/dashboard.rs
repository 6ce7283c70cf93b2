//! What operators put beside a server: the dashboard and the alert rules name only what a scrape shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Endpoint, Stage};

scenarios! {
    alone:
        the_dashboard_and_the_alerts_name_only_what_a_scrape_shows;
}

/// What Prometheus itself knows of a server.
const OF_PROMETHEUS: [&str; 1] = ["up"];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the metrics in an expression: words that begin as Parlor's and the process's do, or stand before a brace.
fn names(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(from) = rest.find(is_part) {
        let word = &rest[from..];
        let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        if word.starts_with("parlor_") || word.starts_with("process_") || behind.starts_with('{') {
            found.insert(word.to_owned());
        }
        rest = behind;
    }
    found
}

/// The expressions of a dashboard, wherever they stand in it.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| matches!(name.as_str(), "expr" | "query")) {
                    Some(text) => found.push(text.to_owned()),
                    None => expressions(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

async fn the_dashboard_and_the_alerts_name_only_what_a_scrape_shows(stage: Stage) {
    let endpoint = Endpoint::start().await;
    let site = stage.lasting_site(|config| config.webhooks = vec![endpoint.webhook("it")]).await;
    let scrape = site.get("/metrics").await.body;
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    let shown: BTreeSet<&str> = lines.filter_map(|line| line.split(['{', ' ']).next()).collect();
    let dashboard: Value = serde_json::from_str(&read("grafana.json")).expect("it is JSON");
    let mut said = Vec::new();
    expressions(&dashboard, &mut said);
    // Words in a rule's text that look like a metric are held to the same.
    said.push(read("alerts.yml").replace("{{", ""));
    let named: BTreeSet<String> = said.iter().flat_map(|text| names(text)).collect();
    assert!(named.len() > 30, "{named:?}");
    let is_known = |name: &&String| shown.contains(name.as_str()) || OF_PROMETHEUS.contains(&name.as_str());
    let unknown: Vec<_> = named.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "no scrape shows {unknown:?}");
}
