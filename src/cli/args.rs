//! The arguments, and which file they mean.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::care::{RepairArgs, VerifyArgs};
use super::care_moves::{ExportArgs, RestoreArgs};
use super::care_server::EraseArgs;
use super::user::UserCommand;

/// The variable that names the file where no argument does.
pub(super) const VARIABLE: &str = "PARLOR_CONFIG";
/// The file that is taken, if it is there, where nothing names one.
pub(super) const HERE: &str = "config.toml";

/// The end of `--help`; `docs/operating.md` says the same at more length.
const AFTER: &str = "\
Configuration: defaults, over them a file, over that the environment (PARLOR__SERVER__BIND sets server.bind).
The file is that of --config, else that of PARLOR_CONFIG, else ./config.toml if it is there.

Exit codes:
  0  done
  1  failed while running; user: not done
  2  arguments or configuration refused
  3  the store could not be opened: in use, written by a later version, damaged
  4  the address could not be bound
  5  healthcheck: not ready
  6  verify: something is wrong with the data";

/// A self-hosted chat server: durable ordered channels and true presence, over WebSocket and long-poll.
#[derive(Debug, Parser)]
#[command(name = "parlor", version, after_help = AFTER)]
pub(super) struct Args {
    /// Read the configuration from this file
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Command {
    /// Run the server (what is done without a command)
    Serve,
    /// Read the configuration, say what is wrong with it, and end
    CheckConfig,
    /// Print the configuration that is in effect, as commented TOML
    PrintConfig,
    /// Ask the server at the configured address whether it is ready
    Healthcheck,
    /// Make and change accounts, whether a server runs or not
    #[command(subcommand)]
    User(UserCommand),
    /// Read all data while no server runs, and say what is wrong with it
    Verify(VerifyArgs),
    /// Mend what is wrong with the data while no server runs
    Repair(RepairArgs),
    /// Write all data into one file, whether a server runs or not
    Backup {
        /// Where to; one that is there is replaced when the new one is whole
        file: PathBuf,
    },
    /// Make the data directory of a backup
    Restore(RestoreArgs),
    /// Write channels and messages as JSON, one object a line
    Export(ExportArgs),
    /// Add the channels of an export to the data while no server runs
    Import {
        /// The file, or - for stdin
        file: PathBuf,
    },
    /// Remove the bodies of all messages of a user, whether a server runs or not
    Erase(EraseArgs),
    /// Make the data directory as small as it can be while no server runs
    Compact,
    /// Say how much there is, whether a server runs or not
    Stats {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// A file and the reason why it is that one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Who named it.
    pub(super) because: &'static str,
}

impl Args {
    /// What to do.
    pub(super) fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }

    /// Which file to read, given the variable's value and whether there is a file in the working directory.
    pub(super) fn file(&self, variable: Option<&str>, here: bool) -> Result<Option<File>, String> {
        if let Some(path) = self.config.clone() {
            return Ok(Some(File { path, because: "--config" }));
        }
        match variable {
            Some(path) if path.trim().is_empty() => {
                Err(format!("{VARIABLE} is empty: expected the path of a file, or no such variable"))
            }
            Some(path) => Ok(Some(File { path: path.into(), because: VARIABLE })),
            None => Ok(here.then(|| File { path: HERE.into(), because: "working directory" })),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Args {
        Args::try_parse_from([&["parlor"], words].concat()).unwrap()
    }

    #[test]
    fn the_arguments_are_well_formed() {
        <Args as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn serving_is_what_is_done_without_a_command() {
        assert_eq!(parse(&[]).command(), Command::Serve);
        assert_eq!(parse(&["healthcheck"]).command(), Command::Healthcheck);
    }

    #[test]
    fn the_file_may_stand_before_or_after_the_command() {
        for words in [["--config", "a.toml", "serve"], ["serve", "--config", "a.toml"]] {
            assert_eq!(parse(&words).config, Some("a.toml".into()));
        }
    }

    #[test]
    fn the_argument_goes_before_the_variable_and_that_before_the_working_directory() {
        let file = |args: &Args, variable: Option<&str>, here| {
            args.file(variable, here).map(|file| file.map(|file| file.path))
        };
        let (named, bare) = (parse(&["--config", "a"]), parse(&[]));
        assert_eq!(file(&named, Some("b"), true), Ok(Some("a".into())));
        assert_eq!(file(&bare, Some("b"), true), Ok(Some("b".into())));
        assert_eq!(file(&bare, None, true), Ok(Some(HERE.into())));
        assert_eq!(file(&bare, None, false), Ok(None));
        assert!(file(&bare, Some(" "), true).is_err());
    }

    #[test]
    fn an_unknown_command_is_an_error_for_stderr() {
        assert!(Args::try_parse_from(["parlor", "brew"]).unwrap_err().use_stderr());
        assert!(!Args::try_parse_from(["parlor", "--version"]).unwrap_err().use_stderr());
    }
}
