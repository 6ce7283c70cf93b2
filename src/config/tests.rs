//! What configuration promises.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::load::Gathered;
use super::raw::Raw;
use super::*;
use crate::model::cases::damaged_text;

/// Loads a file's text and an environment.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut gathered = Gathered::new();
    gathered.text(Path::new("p.toml"), text);
    gathered.environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::judge(gathered)
}

/// What is said about each fault.
fn faults(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    load(text, environment).map_or_else(|errors| errors.0.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn the_shown_file_has_every_key_with_its_default() {
    let shown = include_str!("../../config.toml");
    assert_eq!(toml::from_str::<toml::Table>(shown).unwrap(), toml::Table::try_from(Raw::default()).unwrap());
    assert_eq!(print::render(&Raw::default()), shown);
    assert_eq!(load(shown, &[]).unwrap(), Config::default());
}

#[test]
fn the_defaults_are_without_fault() {
    assert_eq!(Config::load(None, []).unwrap(), Config::default());
    let limits = Config::default().limits;
    assert_eq!((limits.frame_bytes, limits.body_bytes), (65_536, 32_768));
    assert!(Config::default().server.workers >= 1 && Config::default().channels.arbiters >= 1);
}

#[test]
fn every_key_of_the_shown_file_has_a_comment_above_it() {
    let mut above = "";
    for line in include_str!("../../config.toml").lines() {
        let is_key = !line.starts_with('#') && line.contains(" = ");
        assert!(!is_key || above.starts_with('#'), "{line} stands without a comment");
        above = line;
    }
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
    let text = "[presence]\nheartbeat_ms = 200\ntimeout_ms = 500";
    let config = load(text, &[("parlor__Presence__TIMEOUT_MS", " 9_00 "), ("HOME", "/x")]).unwrap();
    assert_eq!(config.presence.heartbeat, Duration::from_millis(200));
    assert_eq!(config.presence.timeout, Duration::from_millis(900));
    assert_eq!(config.presence.sweep, Duration::from_secs(1));
}

#[test]
fn a_variable_is_read_as_toml_where_that_fits_and_as_a_string_elsewhere() {
    let path = |text| load("", &[("PARLOR__STORE__PATH", text)]).unwrap().store.path;
    assert_eq!(path("12"), Path::new("12"));
    assert_eq!(path("\"quoted\""), Path::new("quoted"));
    assert_eq!(path("/srv/a b"), Path::new("/srv/a b"));
    let origins = |text| load("", &[("PARLOR__SERVER__ALLOWED_ORIGINS", text)]).unwrap().server.allowed_origins;
    assert_eq!(origins("https://a.b, http://[::1]:80"), ["https://a.b", "http://[::1]:80"]);
    assert_eq!(origins("[\"*\"]"), ["*"]);
    assert!(origins(" ").is_empty());
}

#[test]
fn addresses_and_sockets_can_be_bound() {
    let bind = |text| load("", &[("PARLOR__SERVER__BIND", text)]).unwrap().server.bind;
    assert_eq!(bind("[::1]:0"), Bind::Tcp("[::1]:0".parse().unwrap()));
    assert_eq!(bind("unix:/run/p.sock"), Bind::Unix("/run/p.sock".into()));
}

#[test]
fn all_faults_come_at_once_and_each_says_where_it_stands() {
    let text = "[store]\nengine = \"postgres\"\nread_threads = \"four\"\n\n[presense]\nx = 1\n[limits]\npage_max = 0";
    let environment = [("PARLOR__SERVER__BNID", "x"), ("PARLOR__SERVER__WORKERS", "-1"), ("PARLOR__STORE__PATH", " ")];
    let mut found = faults(text, &environment);
    found.sort();
    assert_eq!(
        found,
        [
            "PARLOR__SERVER__BNID: server.bnid: unknown key; the nearest known one is server.bind",
            "PARLOR__SERVER__WORKERS: server.workers = \"-1\": expected a whole number, 0 or more",
            "PARLOR__STORE__PATH: store.path = \" \": expected a string, not empty",
            "p.toml:2: store.engine = \"postgres\": expected \"sled\" or \"memory\"",
            "p.toml:3: store.read_threads = \"four\": expected a whole number, 0 or more",
            "p.toml:5: presense: unknown key; the nearest known one is presence",
            "p.toml:8: limits.page_max = 0: expected 1 to 10000",
        ]
    );
}

#[test]
fn a_text_that_is_not_toml_is_refused_with_its_line_and_the_environment_is_still_read() {
    let found = faults("[server]\nbind = \n", &[("PARLOR__RATES__ENABLED", "yes")]);
    assert!(found[0].starts_with("p.toml:2: not TOML: "), "{found:?}");
    assert_eq!(found[1], "PARLOR__RATES__ENABLED: rates.enabled = \"yes\": expected true or false");
}

#[test]
fn a_file_that_is_not_there_is_a_fault() {
    let found = Config::load(Some(Path::new("/nonexistent/p.toml")), []).unwrap_err().to_string();
    assert!(found.starts_with("configuration refused, 1 fault:\n  /nonexistent/p.toml: cannot be read: "), "{found}");
}

#[test]
fn a_bare_key_or_a_section_that_is_a_value_is_refused() {
    let found = faults("bind = 1\nserver = 2", &[("PARLOR__SERVER", "x"), ("PARLOR__A__B__Z", "x")]);
    assert_eq!(found[0], "p.toml:1: bind: unknown key; the nearest known one is server.bind");
    assert_eq!(found[1], "p.toml:2: server = 2: expected a section, [server]");
    assert!(found[2].starts_with("PARLOR__A__B__Z: a.b.z: unknown key; `parlor print-config` shows"), "{found:?}");
    assert!(found[3].starts_with("PARLOR__SERVER: server: unknown key"), "{found:?}");
}

#[test]
fn a_key_set_by_two_variables_is_refused() {
    let found = faults("", &[("PARLOR__LOG__FILTER", "info"), ("parlor__log__filter", "warn")]);
    let expected = "parlor__log__filter: log.filter = warn: expected one variable, but PARLOR__LOG__FILTER sets it too";
    assert_eq!(found, [expected]);
}

#[test]
fn a_relation_that_does_not_hold_names_both_sides() {
    let found = faults("[limits]\ninflight_bytes = 100", &[("PARLOR__PRESENCE__HEARTBEAT_MS", "60000")]);
    assert_eq!(
        found,
        [
            "default: presence.timeout_ms = 60000: expected more than presence.heartbeat_ms, which is 60000 \
             (PARLOR__PRESENCE__HEARTBEAT_MS)",
            "p.toml:2: limits.inflight_bytes = 100: expected at least limits.frame_bytes, which is 65536 (default)",
        ]
    );
    assert_eq!(faults("[limits]\nframe_bytes = 1000\nbody_bytes = 1001", &[]).len(), 1);
}

#[test]
fn the_body_limit_follows_a_smaller_frame_limit_unless_it_is_set() {
    assert_eq!(load("[limits]\nframe_bytes = 1000", &[]).unwrap().limits.body_bytes, 1000);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (name, value) in [
        ("SERVER__BIND", "localhost:8080"),
        ("SERVER__BIND", "127.0.0.1"),
        ("SERVER__BIND", "unix:"),
        ("SERVER__ALLOWED_ORIGINS", "chat.example.org"),
        ("SERVER__ALLOWED_ORIGINS", "https://chat.example.org/path"),
        ("SERVER__ALLOWED_ORIGINS", "[1]"),
        ("SERVER__WORKERS", "18446744073709551616"),
        ("STORE__PATH", "a\nb"),
        ("STORE__PATH", "\u{fffd}"),
        ("STORE__DURABILITY", "Always"),
        ("PRESENCE__HEARTBEAT_MS", "99"),
        ("PRESENCE__TIMEOUT_MS", "1.5"),
        ("CHANNELS__WINDOW", "0"),
        ("CHANNELS__CREATE_ON_JOIN", "1"),
        ("LIMITS__BODY_BYTES", "60001"),
        ("LIMITS__FRAME_BYTES", "1048577"),
        ("AUTH__REGISTRATION", ""),
        ("LOG__FILTER", "parlor=loud"),
        ("LOG__FORMAT", "xml"),
    ] {
        assert_eq!(faults("", &[(&format!("PARLOR__{name}"), value)]).len(), 1, "{name}={value:?}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back_as_the_same(
        bind in prop_oneof!["unix:/[a-z\"' \\\\]{1,20}", Just("[::]:1".to_owned()), Just("0.0.0.0:0".to_owned())],
        path in "[^\\p{C}\\s]{1,20}",
        origins in prop::collection::vec("https?://[a-z0-9.]{1,9}", 0..3),
        numbers in (1_u64..1000, 0_u64..1000, 1_u64..60_000, 1_u64..100_000),
        flag: bool,
    ) {
        let mut raw = Raw::default();
        (raw.server.bind, raw.store.path, raw.server.allowed_origins) = (bind, path, origins);
        (raw.channels.window, raw.server.drain_notice_ms) = (numbers.0, numbers.1);
        (raw.limits.body_bytes, raw.rates.logins_per_minute, raw.auth.guests) = (numbers.2, numbers.3, flag);
        (raw.store.durability, raw.log.format) = ("interval".into(), "json".into());
        let config = load(&toml::to_string(&raw).unwrap(), &[]).unwrap();
        prop_assert_eq!(load(&config.print(), &[]).unwrap(), config);
    }

    #[test]
    fn a_damaged_file_is_read_or_each_fault_is_named(at in 0usize..20, seed: u64) {
        let shown: Vec<&str> = include_str!("../../config.toml").lines().filter(|line| !line.starts_with('#')).collect();
        let part = shown.chunks(shown.len().div_ceil(20)).nth(at).unwrap_or_default().join("\n");
        if let Err(faults) = load(&damaged_text(&part, seed), &[]) {
            prop_assert!(!faults.0.is_empty() && faults.0.iter().all(|fault| !fault.to_string().is_empty()));
        }
    }

    #[test]
    fn no_text_and_no_variable_makes_it_panic(text in ".{0,80}", name in "(PARLOR__)?.{0,20}", value in ".{0,20}") {
        let _ = load(&text, &[(&name, &value)]);
    }
}
