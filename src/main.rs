//! The binary: the command line, with the server put in.

use std::process::ExitCode;

use parlor::cli::{self, ServeError};

fn main() -> ExitCode {
    cli::main(|_config| Err(ServeError::Other("this build has no server yet".into())))
}
