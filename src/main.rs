//! The binary: the command line, with the server put in.

use std::process::ExitCode;

fn main() -> ExitCode {
    parlor::cli::main(parlor::server::serve)
}
