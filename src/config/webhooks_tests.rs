//! What `[[webhooks]]` promises.

use std::path::Path;

use super::super::fault::ConfigErrors;
use super::super::load::Gathered;
use super::*;
use crate::config::Config;

const GOOD: &str = "[[webhooks]]\nname = \"crm\"\nurl = \"https://example.org/hook\"\nsecret = \"0123456789abcdef\"\n";

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut gathered = Gathered::new();
    gathered.text(Path::new("p.toml"), text);
    gathered.environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::judge(gathered)
}

fn faults(text: &str) -> Vec<String> {
    load(text, &[]).map_or_else(|errors| errors.0.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = load(GOOD, &[]).unwrap();
    let [one] = &config.webhooks[..] else { panic!("one") };
    assert_eq!((one.messages, one.members, one.presence), (true, false, false));
    assert_eq!((one.backlog, one.timeout.as_secs(), one.retry_max.as_secs()), (100_000, 10, 86_400));
    assert_eq!(Config::default().webhooks, []);
}

#[test]
fn direct_channels_are_meant_by_a_pattern_of_their_own_alone() {
    let holds = |patterns: &str, channel: &str| {
        let config = load(&format!("{GOOD}channels = {patterns}"), &[]).unwrap();
        config.webhooks[0].holds(&ChannelName::stored(channel).unwrap())
    };
    assert!(holds("[\"*\"]", "lobby") && !holds("[\"*\"]", "@ann:bob"));
    assert!(holds("[\"@*\"]", "@ann:bob") && !holds("[\"@*\"]", "lobby"));
    assert!(holds("[\"a\", \"team-*\"]", "team-x") && holds("[\"a\", \"team-*\"]", "a"));
    assert!(!holds("[\"team-*\"]", "team") && !holds("[]", "a") && holds("[\"@ann:*\"]", "@ann:bob"));
}

#[test]
fn a_secret_is_shown_nowhere() {
    let config = load(GOOD, &[]).unwrap();
    let printed = config.print();
    assert!(!printed.contains("0123456789abcdef") && printed.contains("secret = \"(hidden)\""), "{printed}");
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
    let short = GOOD.replace("0123456789abcdef", "tooshort");
    assert!(faults(&short).iter().all(|fault| !fault.contains("tooshort")) && !faults(&short).is_empty());
    let wrong = GOOD.replace("https://example.org", "https://ann:geheim@example.org");
    assert!(faults(&wrong).iter().all(|fault| !fault.contains("geheim")) && !faults(&wrong).is_empty());
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    let file = GOOD.replace("secret = \"0123456789abcdef\"", "secret_file = \"/x/y\"");
    let text = format!("{file}events = [\"member\", \"presence\"]\nchannels = [\"team-*\"]\nbacklog = 7\n");
    let config = load(&text, &[]).unwrap();
    assert_eq!(load(&config.print(), &[]).unwrap(), config);
    assert!(config.print().starts_with(&Config::default().print()));
}

#[test]
fn a_variable_holds_all_of_them_and_goes_before_the_file() {
    let all = "[{name = \"a\", url = \"http://h/\", secret = \"0123456789abcdef\", events = [\"presence\"]}]";
    let config = load(GOOD, &[("PARLOR__WEBHOOKS", all)]).unwrap();
    assert_eq!(config.webhooks.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(load(GOOD, &[("PARLOR__WEBHOOKS", "[]")]).unwrap().webhooks, []);
    assert!(load(GOOD, &[("PARLOR__WEBHOOKS", "crm")]).is_err());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let with = |from: &str, to: &str| faults(&GOOD.replace(from, to));
    assert_eq!(
        with("\"crm\"", "\"C R M\""),
        ["p.toml:1: webhooks[0].name = \"C R M\": expected 1 to 64 of a-z, 0-9 and -"]
    );
    for (from, to) in [
        ("https://example.org/hook", "ftp://example.org/"),
        ("https://example.org/hook", "example.org"),
        ("secret =", "secret_file = \"x\"\nsecret ="),
        ("secret = \"0123456789abcdef\"", ""),
        ("0123456789abcdef", "whsec_MDEyMzQ1Njc4OWFiY2Rl"),
        ("0123456789abcdef", "whsec_0123456789abcdef!"),
        ("name =", "colour = 1\nname ="),
        ("name =", "events = [\"messages\"]\nname ="),
        ("name =", "channels = [\"Team\"]\nname ="),
        ("name =", "channels = [\"\"]\nname ="),
        ("name =", "channels = [\"@\"]\nname ="),
        ("name =", "backlog = 0\nname ="),
        ("name =", "backlog = -1\nname ="),
        ("name =", "timeout_ms = \"x\"\nname ="),
        ("[[webhooks]]", "[webhooks]"),
    ] {
        let found = with(from, to);
        assert!(found.len() == 1 && found[0].starts_with("p.toml:"), "{to}: {found:?}");
    }
    let twice = faults(&format!("{GOOD}{GOOD}"));
    assert_eq!(twice, ["p.toml:5: webhooks[1].name = \"crm\": expected a name that no other one has"]);
    assert!(load(&GOOD.replace("0123456789abcdef", "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="), &[]).is_ok());
}
