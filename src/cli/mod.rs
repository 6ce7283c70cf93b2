//! The command line: what the binary is asked to do, and the exit code that says how it went.
//!
//! The server comes in as an argument of [`main`], so that this folder knows how to start one and nothing of what
//! one is. Everything meant for people goes to stderr; stdout carries only what was asked for.

mod args;
mod care;
mod care_moves;
mod care_server;
mod health;
mod unverified;
mod user;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::auth::KeyError;
use crate::config::{Config, LogFormat};
use crate::logging;
use crate::store::OpenError;
use crate::supervise::log_panics;
use args::{Args, Command};

pub use user::CONTROL;

/// Done.
pub const OK: u8 = 0;
/// The server failed while it ran.
pub const FAILED: u8 = 1;
/// The arguments or the configuration were refused.
pub const REFUSED: u8 = 2;
/// The store could not be opened.
pub const STORE: u8 = 3;
/// The address could not be bound.
pub const BIND: u8 = 4;
/// `healthcheck`: the server is not ready.
pub const NOT_READY: u8 = 5;
/// `verify`: something is wrong with the data.
pub const UNSOUND: u8 = 6;

/// Why a server did not start, or stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// Its store could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Its address could not be bound: which, and why.
    #[error("cannot bind {0}")]
    Bind(String),
    /// Its certificate cannot be used.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The key for tokens of another service cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl ServeError {
    /// The exit code for it.
    pub fn code(&self) -> u8 {
        match self {
            Self::Store(_) => STORE,
            Self::Bind(_) => BIND,
            Self::Tls(_) | Self::Key(_) => REFUSED,
            Self::Other(_) => FAILED,
        }
    }
}

/// Does what the process's arguments ask for; `serve` runs a server until it has been told to stop.
pub fn main(serve: impl FnOnce(Config) -> Result<(), ServeError>) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(asked) => {
            // `--help` and `--version` arrive here too, with code 0 and for stdout.
            let _ = asked.print();
            return ExitCode::from(if asked.use_stderr() { REFUSED } else { OK });
        }
    };
    let environment: Vec<_> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let logged = |config: Config, source: &str| {
        if let Err(why) = logging::start(&config.log) {
            say(&format!("no log: {why}"));
        } else {
            log_panics();
        }
        if config.log.format == LogFormat::Json {
            // Whoever reads lines of JSON reads nothing else.
            log::info!("{source}");
        } else {
            say(source);
        }
        serve(config)
    };
    ExitCode::from(run(&args, environment, logged))
}

/// Does what `args` ask for in an environment and returns the exit code.
fn run(
    args: &Args,
    environment: Vec<(String, String)>,
    serve: impl FnOnce(Config, &str) -> Result<(), ServeError>,
) -> u8 {
    let variable = environment.iter().find(|(name, _)| name == args::VARIABLE).map(|(_, path)| path.as_str());
    let file = match args.file(variable, Path::new(args::HERE).is_file()) {
        Ok(file) => file,
        Err(why) => {
            say(&why);
            return REFUSED;
        }
    };
    let source = match &file {
        Some(file) => format!("configuration from {} ({})", file.path.display(), file.because),
        None => "no configuration file: defaults and environment".to_owned(),
    };
    let config = match Config::load(file.as_ref().map(|file| file.path.as_path()), environment) {
        Ok(config) => config,
        Err(faults) => {
            say(&source);
            say(&faults.to_string());
            return REFUSED;
        }
    };
    if args.command() != Command::Serve {
        say(&source);
    }
    let done = match args.command() {
        Command::CheckConfig => {
            say("configuration accepted");
            return OK;
        }
        Command::Healthcheck => {
            return health::check(&config.server.bind, config.server.tls.is_some()).map_or_else(
                |why| {
                    say(&format!("not ready: {why}"));
                    NOT_READY
                },
                |()| OK,
            );
        }
        Command::PrintConfig => std::io::stdout()
            .write_all(config.print().as_bytes())
            .map_err(|why| ServeError::Other(format!("cannot print: {why}"))),
        Command::User(command) => return user::run(&config, command),
        Command::Verify(args) => return care::code(care::verify(&config, &args)),
        Command::Repair(args) => return care::code(care::repair(&config, args)),
        Command::Compact => return care::code(care::compact(&config)),
        Command::Backup { file } => return care::code(care_moves::backup(&config, &file)),
        Command::Restore(args) => return care::code(care_moves::restore(&config, &args)),
        Command::Export(args) => return care::code(care_moves::export(&config, args)),
        Command::Import { file } => return care::code(care_moves::import(&config, &file)),
        Command::Erase(args) => return care::code(care_server::erase(&config, args)),
        Command::Stats { json } => return care::code(care_server::stats(&config, json)),
        Command::Serve => serve(config, &source),
    };
    done.map_or_else(
        |why| {
            say(&why.to_string());
            why.code()
        },
        |()| OK,
    )
}

/// A line for whoever started the process. A closed stderr is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "parlor: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_an_exit_code_of_its_own() {
        let serve = |error: ServeError| {
            let args = Args::try_parse_from(["parlor", "--config", "config.toml"]).unwrap();
            run(&args, Vec::new(), |_, _| Err(error))
        };
        assert_eq!(serve(ServeError::Other("gone".into())), 1);
        assert_eq!(serve(ServeError::Store(OpenError::InUse("data".into()))), 3);
        assert_eq!(serve(ServeError::Bind("127.0.0.1:1: permission denied".into())), 4);
    }

    #[test]
    fn a_configuration_that_is_not_there_is_refused_before_anything_is_served() {
        let args = Args::try_parse_from(["parlor", "--config", "/nonexistent/p.toml"]).unwrap();
        assert_eq!(run(&args, Vec::new(), |_, _| panic!("served")), 2);
    }

    #[test]
    fn what_the_environment_sets_reaches_the_server() {
        let environment = vec![
            ("PARLOR_CONFIG".to_owned(), "config.toml".to_owned()),
            ("PARLOR__STORE__ENGINE".to_owned(), "memory".to_owned()),
        ];
        let args = Args::try_parse_from(["parlor", "serve"]).unwrap();
        let serve = |config: Config, _: &str| {
            assert_eq!(config.store.engine, crate::config::Engine::Memory);
            Ok(())
        };
        assert_eq!(run(&args, environment, serve), 0);
    }

    #[test]
    fn checking_a_configuration_serves_nothing() {
        let args = Args::try_parse_from(["parlor", "check-config", "--config", "config.toml"]).unwrap();
        assert_eq!(run(&args, Vec::new(), |_, _| panic!("served")), 0);
    }
}
