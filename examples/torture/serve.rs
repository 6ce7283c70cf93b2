//! The hidden half: a server in a process of its own, which breaks as it is told on its stdin.
//!
//! A line is an order, and is answered with one on stdout: `done`, `left N`, or `what?`.

use std::error::Error;
use std::io::BufRead;
use std::process::ExitCode;
use std::sync::Arc;

use parlor::config::Config;
use parlor::server::{self, Parts};
use parlor::store::{Failing, Fault, SledRows, Trouble};
use parlor::supervise::Faults;

use crate::plan::PLACES;

/// Serves until it is told to stop. The environment configures it.
pub fn serve() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("torture serve: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = Config::load(None, variables)?;
    env_logger::Builder::new().parse_filters(&config.log.filter).format_timestamp_millis().init();
    let (rows, trouble) = Failing::over(Arc::new(SledRows::open(&config.store.path, config.store.cache_bytes)?));
    let faults = Faults::default();
    let told = faults.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            println!("{}", obey(&line, &told, &trouble));
        }
        // Who started it is gone.
        std::process::exit(1);
    });
    Ok(server::serve_with(config, Parts { faults, rows: Some(rows) })?)
}

fn obey(line: &str, faults: &Faults, trouble: &Trouble) -> String {
    let (order, rest) = line.split_once(' ').unwrap_or((line, ""));
    match order {
        "panic" => match PLACES.iter().find(|place| **place == rest) {
            Some(place) => faults.arm(place),
            None => return "what?".to_owned(),
        },
        "disk" => trouble.arm(match rest {
            "apply" => Fault::Apply,
            "apply-late" => Fault::ApplyLate,
            "panic" => Fault::Panic,
            "sync" => Fault::Sync,
            "read" => Fault::Read,
            "reopen" => Fault::Reopen,
            _ => return "what?".to_owned(),
        }),
        "calm" => trouble.disarm(),
        "space" => trouble.free_bytes(rest.parse().ok()),
        "hold" => trouble.hold(),
        "release" => trouble.release(),
        "left" => return format!("left {}", faults.left()),
        _ => return "what?".to_owned(),
    }
    "done".to_owned()
}
