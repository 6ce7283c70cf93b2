//! The rules: each takes a file and returns what is wrong with it, with how to mend it.

use crate::scan::{Source, imports};

/// What every folder but `model` and `clock` may import.
const BASE: [&str; 4] = ["model", "clock", "metrics", "planted"];
/// What each folder may import besides [`BASE`]; `docs/architecture.md` draws it. `model` and `clock` get nothing of
/// the base but what stands here.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("metrics", &[]),
    ("planted", &[]),
    ("checker", &[]),
    ("protocol", &[]),
    ("config", &[]),
    ("supervise", &[]),
    ("logging", &["config"]),
    ("store", &["config", "supervise"]),
    ("broker", &["config", "store", "supervise"]),
    ("care", &["protocol", "config", "store", "supervise"]),
    ("auth", &["protocol", "config", "store"]),
    ("retention", &["protocol", "config", "store", "supervise", "channel"]),
    ("trust", &[]),
    ("client", &["protocol", "trust"]),
    ("webhooks", &["protocol", "config", "store", "supervise", "trust"]),
    ("presence", &["protocol", "config", "store", "broker", "auth", "supervise", "webhooks"]),
    ("channel", &["protocol", "config", "store", "broker", "auth", "supervise", "webhooks", "presence"]),
    ("session", &["protocol", "config", "store", "broker", "auth", "supervise", "presence", "channel"]),
    ("http", &["protocol", "config", "auth", "supervise", "session"]),
    (
        "transport",
        &["protocol", "config", "store", "broker", "auth", "supervise", "presence", "channel", "session", "http"],
    ),
    (
        "admin",
        &[
            "protocol",
            "config",
            "logging",
            "store",
            "broker",
            "auth",
            "supervise",
            "presence",
            "channel",
            "retention",
            "session",
            "http",
        ],
    ),
    ("web", &["http"]),
    ("api", &["protocol", "presence", "channel", "retention", "session", "http", "transport", "admin"]),
    ("server", &["*"]),
    ("cli", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];
/// Those that keep away from part of the base: the nouns know no clock, configuration knows only the nouns.
const NO_BASE: [(&str, &[&str]); 7] = [
    ("model", &[]),
    ("trust", &[]),
    ("planted", &[]),
    ("checker", &[]),
    ("clock", &["model"]),
    ("config", &["model"]),
    ("client", &["model", "clock", "planted"]),
];

/// A folder imports only from those below it.
pub fn layers(source: &Source) -> Vec<String> {
    let folder = source.folder();
    let Some((_, more)) = MAY_IMPORT.iter().find(|(name, _)| *name == folder) else {
        let path = &source.path;
        return vec![format!(
            "{path}: folder `{folder}` has no line in MAY_IMPORT: say in tests/tidy/rules.rs what it may import"
        )];
    };
    let base = NO_BASE.iter().find(|(name, _)| *name == folder).map_or(&BASE[..], |(_, base)| base);
    let allowed = |name: &str| name == folder || base.contains(&name) || more.contains(&name) || more.contains(&"*");
    let wrong = imports(source).into_iter().filter(|(_, name)| !allowed(name));
    wrong
        .map(|(line, name)| {
            format!(
                "{}:{line}: `{folder}` may not import `{name}`: move what is shared to the left of both, or hand it \
                 in as an argument or a trait",
                source.path
            )
        })
        .collect()
}

/// Where each foreign thing may appear: its words, the places, and how to mend it elsewhere.
const PLACES: [(&[&str], &[&str], &str); 3] = [
    (
        &["actix", "actix_web", "actix_web_actors", "actix_rt", "actix_http", "actix_cors"],
        &[
            "src/supervise/",
            "src/webhooks/actor",
            "src/presence/actor",
            "src/channel/actor",
            "src/channel/directory",
            "src/retention/actor",
            "src/session/actor",
            "src/session/hub",
            "src/session/beats",
            "src/session/pulls",
            "src/session/queries",
            "src/session/asides",
            "src/session/contacts",
            "src/session/hello",
            "src/http/",
            "src/transport/",
            "src/admin/",
            "src/web/",
            "src/api/mod.rs",
            "src/server",
            "src/main.rs",
        ],
        "keep the core pure and put what needs an actor into the shell beside it",
    ),
    (
        &["Instant::now", "SystemTime", "Utc::now", "Local::now", "rand::", "getrandom::"],
        &["src/clock"],
        "take the time or the random bytes as an argument, or ask `crate::clock` in a shell",
    ),
    // `mod.rs` names the module beside it, not the crate.
    (&["sled::"], &["src/store/sled", "src/store/mod.rs"], "go through `ChannelLog` and `Meta`"),
];

/// What the client's core does not know, and the files of its shell, which do.
const CLIENT_WORDS: [&str; 7] =
    ["tokio", "reqwest", "rustls", "tokio_tungstenite", "futures_util", "parking_lot", "clock"];
const CLIENT_SHELL: [&str; 8] = [
    "src/client/mod.rs",
    "src/client/api.rs",
    "src/client/driver.rs",
    "src/client/events.rs",
    "src/client/link.rs",
    "src/client/longpoll.rs",
    "src/client/place.rs",
    "src/client/websocket.rs",
];

/// The client's core decides, and knows neither sockets nor tasks nor the clock.
fn client_core(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/client/") || CLIENT_SHELL.contains(&source.path.as_str()) {
        return vec![];
    }
    let found = CLIENT_WORDS.iter().flat_map(|word| source.words(word).map(move |at| (word, at)));
    let said = |(word, at)| {
        let (path, line) = (&source.path, source.line(at));
        format!("{path}:{line}: `{word}` in the client's core: hand in what it brings, and keep it in the shell")
    };
    found.map(said).collect()
}

/// Actors, the clock, randomness and sled appear only where they belong.
pub fn places(source: &Source) -> Vec<String> {
    let mut wrong = client_core(source);
    for (words, places, mend) in PLACES {
        if places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for word in words {
            let foreign = source.words(word).filter(|&at| !source.code[..at].ends_with("::") || word.contains("now"));
            let name = word.trim_end_matches(':');
            wrong.extend(foreign.map(|at| format!("{}:{}: `{name}` here: {mend}", source.path, source.line(at))));
        }
    }
    wrong
}

/// Lines that may panic all the same: the file, a piece of the line, and why.
pub const MAY_PANIC: [(&str, &str, &str); 5] = [
    ("src/supervise/probe.rs", "a fixed name and fixed buckets are valid", "its arguments are constants"),
    ("src/store/figures.rs", "a fixed name and fixed buckets are valid", "its arguments are constants"),
    ("src/store/figures.rs", "a fixed name is valid", "its arguments are constants"),
    ("src/store/conformance.rs", "an answer was dropped", "the suite is a test, and that is what it tests"),
    ("src/supervise/faults.rs", "fault armed at", "panicking is what an armed fault is for"),
];

/// Outside tests nothing panics on purpose.
pub fn panics(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for word in [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!"] {
        for at in source.words(word) {
            let line = source.line(at);
            let text = source.text.lines().nth(line - 1).unwrap_or_default();
            let excused = |(path, piece, _): &(&str, &str, &str)| source.path == *path && text.contains(piece);
            if !MAY_PANIC.iter().any(excused) {
                wrong.push(format!(
                    "{}:{line}: `{word}` outside tests: return an error, or give the line a reason in MAY_PANIC in \
                     tests/tidy/rules.rs",
                    source.path
                ));
            }
        }
    }
    wrong
}

/// A file says first what lives in it.
pub fn heading(source: &Source) -> Vec<String> {
    let headed = source.text.starts_with("//! ");
    let path = &source.path;
    if headed {
        vec![]
    } else {
        vec![format!("{path}: begins without `//!`: say what lives here and what it promises")]
    }
}

/// The longest file.
const LINES: usize = 400;

/// One file, one reason to open it.
pub fn length(source: &Source) -> Vec<String> {
    let (path, lines) = (&source.path, source.text.lines().count());
    if lines <= LINES {
        vec![]
    } else {
        vec![format!("{path}: {lines} lines, at most {LINES}: split it by what changes together")]
    }
}

/// The widest line of what no formatter of ours sees, in characters.
const COLUMNS: usize = 120;

/// Lines end where they can be read.
pub fn width(source: &Source) -> Vec<String> {
    let wide = source.text.lines().enumerate().filter(|(_, line)| line.chars().count() > COLUMNS);
    wide.map(|(at, _)| format!("{}:{}: wider than {COLUMNS} columns: break it", source.path, at + 1)).collect()
}

/// A script says first what lives in it.
pub fn script_heading(source: &Source) -> Vec<String> {
    let path = &source.path;
    if source.text.starts_with("// ") {
        vec![]
    } else {
        vec![format!("{path}: begins without `// `: say what lives here and what it promises")]
    }
}

/// What would take text for markup or for a script.
const MARKUP: [&str; 6] =
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "createContextualFragment", "eval("];

/// A page's scripts show text, and never markup.
pub fn text_alone(source: &Source) -> Vec<String> {
    let path = &source.path;
    let found = MARKUP.iter().filter(|word| source.text.contains(*word));
    found.map(|word| format!("{path}: `{word}`: make elements, and set their textContent")).collect()
}

/// Where a path in the docs may begin.
const ROOTS: [&str; 9] = ["src/", "docs/", "tests/", "examples/", "benches/", "web/", "packaging/", ".ci/", "clients/"];
/// How the name of a file of this repository ends, where it stands without a folder.
const ENDINGS: [&str; 3] = [".rs", ".md", ".toml"];

/// The paths of this repository that a page of the docs names: in backticks, or as the goal of a relative link.
pub fn named_paths(page: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let plain = |word: &str| word.chars().all(|c| c.is_alphanumeric() || "./_-".contains(c));
        let ours = |word: &str| {
            let bare = !word.contains('/') && ENDINGS.iter().any(|ending| word.ends_with(ending) && word != *ending);
            plain(word) && (bare || ROOTS.iter().any(|root| word.starts_with(root)))
        };
        let words = line.split('`').skip(1).step_by(2).filter(|word| ours(word)).map(str::to_owned);
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        let goals = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let goals = goals.filter(|goal| !goal.is_empty() && !goal.contains(':') && plain(goal));
        let goals = goals.map(|goal| format!("{folder}/{goal}").trim_start_matches('/').to_owned());
        found.extend(words.chain(goals).map(|path| (number + 1, path)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
        rule(&Source::new(path, text)).len()
    }

    #[test]
    fn an_import_from_the_right_is_found_and_one_from_the_left_is_not() {
        assert_eq!(wrong(layers, "src/store/log.rs", "use crate::{channel::X, model::Y};"), 1);
        assert_eq!(wrong(layers, "src/session/hub.rs", "use crate::channel::X;"), 0);
        assert_eq!(wrong(layers, "src/model/ids.rs", "use crate::clock;"), 1);
        assert_eq!(wrong(layers, "src/config/load.rs", "use crate::clock;"), 1);
        assert_eq!(wrong(layers, "src/transport/ws/mod.rs", "use crate::admin::X;"), 1);
        assert_eq!(wrong(layers, "src/server.rs", "use crate::{admin, transport};"), 0);
        assert_eq!(wrong(layers, "src/utils/mod.rs", ""), 1);
    }

    #[test]
    fn an_import_in_a_test_or_a_comment_is_nobodys_business() {
        let text = "// crate::channel\n#[cfg(test)]\nmod tests { use crate::channel::X; }";
        assert_eq!(wrong(layers, "src/store/log.rs", text), 0);
    }

    #[test]
    fn actors_sled_and_the_clock_are_found_where_they_do_not_belong() {
        assert_eq!(wrong(places, "src/channel/window.rs", "use actix::Message;"), 1);
        assert_eq!(wrong(places, "src/channel/actor.rs", "use actix::Message;"), 0);
        assert_eq!(wrong(places, "src/protocol/frame.rs", "use actix_web::web;"), 1);
        assert_eq!(wrong(places, "src/server.rs", "sled::open(x); crate::store::sled::open(x)"), 1);
        assert_eq!(wrong(places, "src/store/sled/log.rs", "sled::open(x)"), 0);
        assert_eq!(wrong(places, "src/session/hub.rs", "std::time::Instant::now()"), 1);
        assert_eq!(wrong(places, "src/session/hub.rs", "use std::time::{Instant, SystemTime};"), 1);
        assert_eq!(wrong(places, "src/auth/token.rs", "rand::random(); operand::x()"), 1);
        assert_eq!(wrong(places, "src/clock.rs", "Instant::now(); rand::random()"), 0);
        assert_eq!(wrong(places, "src/client/outbox.rs", "use tokio::sync::mpsc; crate::clock::moment()"), 2);
        assert_eq!(wrong(places, "src/client/driver.rs", "use tokio::sync::mpsc; crate::clock::moment()"), 0);
    }

    #[test]
    fn panics_are_found_outside_tests_and_without_a_reason() {
        assert_eq!(wrong(panics, "src/auth/token.rs", "a.unwrap(); b.expect(\"c\"); panic!(); todo!()"), 4);
        assert_eq!(wrong(panics, "src/auth/token.rs", "a.unwrap_or(1); #[expect(x)] catch_panic(); \"panic!\""), 0);
        assert_eq!(wrong(panics, "src/auth/token.rs", "#[cfg(test)]\nmod tests { fn a() { b.unwrap() } }"), 0);
        assert_eq!(wrong(panics, "src/supervise/faults.rs", "panic!(\"fault armed at {place}\")"), 0);
        assert_eq!(wrong(panics, "src/supervise/post.rs", "panic!(\"fault armed at {place}\")"), 1);
    }

    #[test]
    fn a_file_without_a_heading_or_too_long_is_found() {
        assert_eq!(wrong(heading, "src/a.rs", "use x;"), 1);
        assert_eq!(wrong(heading, "src/a.rs", "//! A.\nuse x;"), 0);
        assert_eq!(wrong(length, "src/a.rs", &"\n".repeat(400)), 0);
        assert_eq!(wrong(length, "src/a.rs", &"\n".repeat(401)), 1);
    }

    #[test]
    fn a_script_that_is_wide_or_headless_or_writes_markup_is_found() {
        assert_eq!(wrong(width, "web/a.css", &"ä".repeat(120)), 0);
        assert_eq!(wrong(width, "web/a.css", &"ä".repeat(121)), 1);
        assert_eq!(wrong(script_heading, "web/a.js", "import x;"), 1);
        assert_eq!(wrong(text_alone, "web/a.js", "// A.\na.innerHTML = b; eval(c)"), 2);
        assert_eq!(wrong(text_alone, "web/a.js", "// A.\na.textContent = b;"), 0);
    }

    #[test]
    fn paths_are_found_in_backticks_and_links_and_nothing_else_is_taken_for_one() {
        let text = "`src/a.rs` `config.toml` `/v1/ws` `a/b` [x](glossary.md#y) [z](https://e.org) `cargo test` `.md`\n\
                    ```\n`src/fenced.rs`\n```\n`store.path`";
        let found: Vec<_> = named_paths("docs/a.md", text).into_iter().map(|(_, path)| path).collect();
        assert_eq!(found, ["src/a.rs", "config.toml", "docs/glossary.md"]);
    }
}
