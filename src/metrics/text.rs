//! Instruments as text: Prometheus' exposition format, version 0.0.4.
//!
//! What comes from several places under one name is written as one family, since a name's `HELP` and `TYPE` may stand
//! only once.

use std::collections::BTreeMap;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{TEXT_FORMAT, TextEncoder};

/// The media type of what [`render`] writes.
pub const CONTENT_TYPE: &str = TEXT_FORMAT;

/// What a list of collectors shows now.
pub fn families<'a>(collectors: impl IntoIterator<Item = &'a (dyn Collector + 'a)>) -> Vec<MetricFamily> {
    collectors.into_iter().flat_map(Collector::collect).collect()
}

/// Writes families down, sorted by name; those of one name are joined, and one without samples is left out.
pub fn render(families: Vec<MetricFamily>) -> String {
    let mut joined: BTreeMap<String, MetricFamily> = BTreeMap::new();
    for mut family in families {
        match joined.get_mut(family.name()) {
            Some(known) if known.get_field_type() == family.get_field_type() => {
                known.mut_metric().extend(family.take_metric());
            }
            Some(known) => log::warn!("metric {} comes in two types; one is left out", known.name()),
            None => drop(joined.insert(family.name().to_owned(), family)),
        }
    }
    let mut text = String::new();
    for family in joined.into_values().filter(|family| !family.get_metric().is_empty()) {
        if let Err(why) = TextEncoder::new().encode_utf8(std::slice::from_ref(&family), &mut text) {
            log::warn!("metric {} cannot be shown: {why}", family.name());
        }
    }
    text
}
